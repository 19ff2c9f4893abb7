/*
 * The parser works in place: names, keys and values are NUL-terminated pieces of the file's text, so that a
 * secret is in memory once.
 *
 * A line that is indented more than the key above it goes on with that key: below `s3 =` it is a key of the
 * block, below a key with a value it is more of that value. Inside a value `#` and `;` are ordinary
 * characters, as for the AWS command line.
 */
#include "s3/profile.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3/cred_helper.h"
#include "s3/secret.h"

#define BLANKS " \t\r\f\v"

struct section {
	enum profile_kind kind;
	bool known;    /* else its lines are read and dropped */
	bool prefixed; /* [profile default], which goes before [default] */
	const char *name;
};

struct entry {
	uint32_t section;
	const char *key, *sub, *value; /* sub: NULL where it is not in a block */
};

struct file {
	char *text;
	struct section *section;
	struct entry *entry;
	size_t n_sections, n_entries;
};

struct profile_set {
	struct file config, credentials;
};

struct parser {
	struct file *file;
	bool credentials;
	char *value_end; /* of the last key, where lines that go on are joined; NULL: no key yet */
	bool block;      /* the last key had no value of its own, or nothing yet */
	size_t indent;   /* of the last key */
	const char *key;
	unsigned line;
	const char *wrong;
};

static char *trim(char *s)
{
	size_t len;

	s += strspn(s, BLANKS);
	for (len = strlen(s); len && strchr(BLANKS, s[len - 1]); len--)
		;
	s[len] = '\0';
	return s;
}

/* Room for one more; arrays double at powers of two. */
static void *grow(void *array, size_t n, size_t size)
{
	if (n & (n - 1))
		return array;
	return reallocarray(array, n ? 2 * n : 1, size);
}

static int add_entry(struct parser *p, const char *key, const char *sub, const char *value)
{
	struct file *f = p->file;
	struct entry *e = grow(f->entry, f->n_entries, sizeof *e);

	if (!e)
		return -ENOMEM;
	f->entry = e;
	e[f->n_entries++] = (struct entry){(uint32_t)(f->n_sections - 1), key, sub, value};
	return 0;
}

/* "profile NAME" after its first word: NAME, without its quotes; NULL when it begins with another word. */
static char *after_word(char *header, const char *word)
{
	size_t n = strlen(word), len;
	char *name;

	if (strncmp(header, word, n) != 0 || header[n] == '\0' || !strchr(BLANKS "\"'", header[n]))
		return NULL;
	name = trim(header + n);
	len = strlen(name);
	if (len >= 2 && (*name == '"' || *name == '\'') && name[len - 1] == *name) {
		name[len - 1] = '\0';
		name++;
	}
	return name;
}

static struct section section_of(char *header, bool credentials)
{
	static const struct {
		const char *word;
		enum profile_kind kind;
	} words[] = {
		{"profile", PROFILE_PROFILE}, {"sso-session", PROFILE_SSO}, {"services", PROFILE_SERVICES}};
	char *name;

	if (credentials)
		return (struct section){PROFILE_PROFILE, true, false, header};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		name = after_word(header, words[i].word);
		if (name)
			return (struct section){words[i].kind, *name != '\0', true, name};
	}
	return (struct section){PROFILE_PROFILE, strcmp(header, "default") == 0, false, header};
}

static int take_section(struct parser *p, char *line)
{
	struct file *f = p->file;
	char *end = strchr(line, ']');
	struct section *s;

	if (!end) {
		p->wrong = "a section without its ]";
		return -EINVAL;
	}
	*end = '\0';
	s = grow(f->section, f->n_sections, sizeof *s);
	if (!s)
		return -ENOMEM;
	f->section = s;
	s[f->n_sections++] = section_of(trim(line + 1), p->credentials);
	p->value_end = NULL;
	return 0;
}

static int take_key(struct parser *p, char *line, size_t indent)
{
	char *sign = strpbrk(line, "=:"), *value;

	if (!sign || sign == line) {
		p->wrong = "neither a section nor key = value";
		return -EINVAL;
	}
	if (p->file->n_sections == 0) {
		p->wrong = "comes before the first section";
		return -EINVAL;
	}
	*sign = '\0';
	value = trim(sign + 1);
	p->key = trim(line);
	p->value_end = value + strlen(value);
	p->block = *value == '\0';
	p->indent = indent;
	return add_entry(p, p->key, NULL, value);
}

static int take_more(struct parser *p, char *line)
{
	char *sign;
	size_t len;

	if (p->block) {
		sign = strchr(line, '=');
		if (!sign) {
			p->wrong = "not key = value, in the block below a key";
			return -EINVAL;
		}
		*sign = '\0';
		return add_entry(p, p->key, trim(line), trim(sign + 1));
	}
	/* What it is moved over has been read. */
	len = strlen(line);
	*p->value_end++ = '\n';
	memmove(p->value_end, line, len + 1);
	p->value_end += len;
	return 0;
}

static int take_line(struct parser *p, char *line)
{
	size_t indent = strspn(line, BLANKS);
	char *text = trim(line);

	if (*text == '\0' || *text == '#' || *text == ';')
		return 0;
	if (p->value_end && indent > p->indent)
		return take_more(p, text);
	if (*text == '[')
		return take_section(p, text);
	return take_key(p, text, indent);
}

/* [default] counts for nothing beside [profile default]. */
static void drop_default(struct file *f)
{
	bool prefixed = false;

	for (size_t i = 0; i < f->n_sections; i++)
		prefixed |= f->section[i].prefixed && f->section[i].kind == PROFILE_PROFILE &&
			    strcmp(f->section[i].name, "default") == 0;
	for (size_t i = 0; prefixed && i < f->n_sections; i++)
		if (!f->section[i].prefixed)
			f->section[i].known = false;
}

/* f->text holds len bytes and a NUL after them. */
static int parse(struct file *f, size_t len, bool credentials, const char *path, char *reason)
{
	struct parser p = {.file = f, .credentials = credentials};
	char *line = f->text, *next;
	int r = 0;

	if (memchr(f->text, '\0', len)) {
		snprintf(reason, PROFILE_REASON_MAX, "%s: holds a NUL", path);
		return -EINVAL;
	}
	if (strncmp(line, "\xef\xbb\xbf", 3) == 0)
		line += 3;
	for (; line && r == 0; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		p.line++;
		r = take_line(&p, line);
	}
	if (r == -EINVAL)
		snprintf(reason, PROFILE_REASON_MAX, "%s: line %u: %s", path, p.line, p.wrong);
	if (!credentials)
		drop_default(f);
	return r;
}

static int read_all(int fd, struct file *f, size_t *ret_len)
{
	size_t len = 0, cap = PROFILE_FILE_MAX;
	struct stat st;
	ssize_t n;

	/* Little memory can be locked: no more than is needed, and a little for what is just being added. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size < PROFILE_FILE_MAX / 2)
		cap = (size_t)st.st_size + 1024;
	f->text = secret_new(cap + 1);
	if (!f->text)
		return -ENOMEM;
	do {
		n = read(fd, f->text + len, cap + 1 - len);
		if (n > 0)
			len += (size_t)n;
	} while ((n > 0 && len <= cap) || (n < 0 && errno == EINTR));
	if (n < 0)
		return -errno;
	if (len > cap)
		return -EFBIG;
	f->text[len] = '\0';
	*ret_len = len;
	return 0;
}

static int load(struct file *f, const char *path, bool credentials, char *reason)
{
	int fd = helper_open(path), r;
	size_t len = 0;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	r = fd < 0 ? fd : read_all(fd, f, &len);
	if (fd >= 0)
		close(fd);
	if (r == 0)
		return parse(f, len, credentials, path, reason);
	snprintf(reason, PROFILE_REASON_MAX, "%s: %s", path, strerror(-r));
	return r == -EFBIG ? -EINVAL : r == -EACCES || r == -ENOMEM ? r : -EIO;
}

static int copy(struct file *f, const char *text, size_t len, bool credentials, char *reason)
{
	if (len > PROFILE_FILE_MAX) {
		snprintf(reason, PROFILE_REASON_MAX, "too long");
		return -EINVAL;
	}
	f->text = secret_new(len + 1);
	if (!f->text)
		return -ENOMEM;
	if (len)
		memcpy(f->text, text, len);
	return parse(f, len, credentials, credentials ? "credentials" : "config", reason);
}

int profile_load(const char *config_path, const char *credentials_path, struct profile_set **ret,
	char reason[PROFILE_REASON_MAX])
{
	struct profile_set *s = calloc(1, sizeof *s);
	int r = s ? 0 : -ENOMEM;

	reason[0] = '\0';
	if (r == 0)
		r = load(&s->config, config_path, false, reason);
	if (r == 0)
		r = load(&s->credentials, credentials_path, true, reason);
	if (r == 0)
		*ret = s;
	else
		profile_free(s);
	return r;
}

int profile_parse(const char *config, size_t config_len, const char *credentials, size_t credentials_len,
	struct profile_set **ret, char reason[PROFILE_REASON_MAX])
{
	struct profile_set *s = calloc(1, sizeof *s);
	int r = s ? 0 : -ENOMEM;

	reason[0] = '\0';
	if (r == 0)
		r = copy(&s->config, config, config_len, false, reason);
	if (r == 0)
		r = copy(&s->credentials, credentials, credentials_len, true, reason);
	if (r == 0)
		*ret = s;
	else
		profile_free(s);
	return r;
}

static void file_clear(struct file *f)
{
	free(f->section);
	free(f->entry);
	secret_free(f->text);
}

void profile_free(struct profile_set *s)
{
	if (!s)
		return;
	file_clear(&s->config);
	file_clear(&s->credentials);
	free(s);
}

static bool is_named(const struct section *s, enum profile_kind kind, const char *name)
{
	return s->known && s->kind == kind && strcmp(s->name, name) == 0;
}

static const char *find(
	const struct file *f, enum profile_kind kind, const char *name, const char *key, const char *sub)
{
	for (size_t i = f->n_entries; i-- > 0;) {
		const struct entry *e = &f->entry[i];

		if (strcasecmp(e->key, key) == 0 && !e->sub == !sub &&
			(!sub || strcasecmp(e->sub, sub) == 0) &&
			is_named(&f->section[e->section], kind, name))
			return e->value;
	}
	return NULL;
}

bool profile_has(const struct profile_set *s, enum profile_kind kind, const char *name)
{
	for (size_t i = 0; i < s->config.n_sections; i++)
		if (is_named(&s->config.section[i], kind, name))
			return true;
	for (size_t i = 0; i < s->credentials.n_sections; i++)
		if (is_named(&s->credentials.section[i], kind, name))
			return true;
	return false;
}

const char *profile_get(const struct profile_set *s, enum profile_kind kind, const char *name,
	const char *key, const char *sub)
{
	const char *value = find(&s->credentials, kind, name, key, sub);

	return value ? value : find(&s->config, kind, name, key, sub);
}

const char *profile_get_from(
	const struct profile_set *s, bool credentials_file, const char *name, const char *key)
{
	return find(credentials_file ? &s->credentials : &s->config, PROFILE_PROFILE, name, key, NULL);
}

static bool says(const struct file *f, const char *key, const char *value)
{
	for (size_t i = 0; i < f->n_entries; i++) {
		const struct entry *e = &f->entry[i];
		const struct section *s = &f->section[e->section];

		if (s->known && s->kind == PROFILE_PROFILE && !e->sub && strcasecmp(e->key, key) == 0 &&
			strcmp(e->value, value) == 0)
			return true;
	}
	return false;
}

bool profile_says(const struct profile_set *s, const char *key, const char *value)
{
	return says(&s->config, key, value) || says(&s->credentials, key, value);
}
