/*
 * Directories as ranges of the sorted keys. Nothing is built: an entry is found by binary search, and the end
 * of a sub-directory too.
 *
 * Two names can only collide in three ways: a key that is also a folder, X.json beside X.json.gz, and both at
 * once. So who has to give way is found by asking for the other key, not by comparing all names of a
 * directory.
 */
#include "fs/bucket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "render/name.h"

#define PREFIX_MAX   (SOURCE_KEY_MAX + 2)
#define CUT_NAME_MIN (NAME_LEN_MAX - 3) /* of a name that was cut before a character of 4 bytes */

static const char *key_at(const struct keys *k, uint32_t i)
{
	return k->object[i]->at.key;
}

/* The first key that is not before `text` (len bytes); with `past`, the first that does not begin with it or
 * less. */
static uint32_t bound(const struct keys *k, uint32_t lo, const char *text, size_t len, bool past)
{
	uint32_t hi = k->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int order = strncmp(key_at(k, mid), text, len);

		if (order < 0 || (past && !order))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool has_prefix(const struct keys *k, const char *text, size_t len)
{
	uint32_t i = bound(k, 0, text, len, false);

	return i < k->n && !strncmp(key_at(k, i), text, len);
}

/* The object with exactly this key, or NULL. */
static const struct object *exact(const struct keys *k, const char *text, size_t len)
{
	uint32_t i = bound(k, 0, text, len, false);

	return i < k->n && !strncmp(key_at(k, i), text, len) && !key_at(k, i)[len] ? k->object[i] : NULL;
}

/* Room for prefix + component + suffix. */
struct joined {
	char text[PREFIX_MAX];
	size_t len;
};

static bool join(struct joined *j, const char *prefix, size_t prefix_len, const char *part, size_t len,
	const char *suffix)
{
	size_t n = strlen(suffix);

	if (prefix_len + len + n >= sizeof(j->text))
		return false;
	memcpy(j->text, prefix, prefix_len);
	memcpy(j->text + prefix_len, part, len);
	memcpy(j->text + prefix_len + len, suffix, n + 1);
	j->len = prefix_len + len + n;
	return true;
}

/* The name of a component before anyone gives way. */
static size_t plain_name(struct value raw, bool (*reserved)(const char *), bool top, char *out)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t len = name_of_value(raw, out);

	if (!top || !reserved(out))
		return len;
	memmove(out + 3, out + 1, len);
	out[1] = hex[(unsigned char)raw.p[0] >> 4];
	out[2] = hex[(unsigned char)raw.p[0] & 15];
	out[0] = '%';
	return len + 2;
}

/* How many others have the name that a file would have: a folder, and for X.json.gz the file X.json. */
static unsigned others(
	const struct keys *k, const char *prefix, size_t prefix_len, struct value shown, bool gunzip)
{
	struct joined j;
	unsigned n = 0;

	if (join(&j, prefix, prefix_len, shown.p, shown.len, "/") && has_prefix(k, j.text, j.len))
		n++;
	if (gunzip && join(&j, prefix, prefix_len, shown.p, shown.len, "") && exact(k, j.text, j.len))
		n++;
	return n;
}

/* Fills the entry that key i begins in the directory; false for the folder's own key. */
static bool entry_at(const struct keys *k, uint32_t i, const char *prefix, size_t prefix_len,
	bool (*reserved)(const char *), struct bucket_entry *ret)
{
	const struct object *o = k->object[i];
	const char *rest = o->at.key + prefix_len, *slash = strchr(rest, '/');
	struct value raw = {rest, (uint32_t)(slash ? (size_t)(slash - rest) : strlen(rest))};
	size_t len;

	if (!rest[0])
		return false;
	*ret = (struct bucket_entry){0};
	if (slash) {
		plain_name(raw, reserved, !prefix_len, ret->name);
		ret->prefix = o->at.key;
		ret->prefix_len = prefix_len + raw.len + 1;
		return true;
	}
	if (o->gunzip)
		raw.len -= 3;
	len = plain_name(raw, reserved, !prefix_len, ret->name);
	for (unsigned n = others(k, prefix, prefix_len, raw, o->gunzip); n; n--)
		ret->name[len++] = '%';
	ret->name[len] = '\0';
	ret->object = o;
	return true;
}

int bucket_list(const struct keys *k, const char *prefix, size_t prefix_len,
	bool (*reserved)(const char *name), int (*visit)(void *arg, const struct bucket_entry *e), void *arg)
{
	uint32_t i = bound(k, 0, prefix, prefix_len, false), end = bound(k, i, prefix, prefix_len, true);
	struct bucket_entry e;
	int err = i == end && prefix_len ? -ENOENT : 0;

	while (i < end && err >= 0) {
		if (!entry_at(k, i, prefix, prefix_len, reserved, &e)) {
			i++;
			continue;
		}
		err = visit(arg, &e);
		i = e.object ? i + 1 : bound(k, i, e.prefix, e.prefix_len, true);
	}
	return err < 0 ? err : 0;
}

struct wanted {
	const char *name;
	struct bucket_entry *ret;
};

static int match(void *arg, const struct bucket_entry *e)
{
	struct wanted *w = arg;

	if (strcmp(e->name, w->name) != 0)
		return 0;
	*w->ret = *e;
	return -EEXIST; /* found: ends the listing */
}

/* Whether key text + suffix begins an entry with the name. */
static bool try_key(const struct keys *k, size_t prefix_len, const char *prefix, struct value raw,
	const char *suffix, bool (*reserved)(const char *), const char *name, struct bucket_entry *ret)
{
	struct joined j;
	uint32_t i;

	if (!join(&j, prefix, prefix_len, raw.p, raw.len, suffix))
		return false;
	i = bound(k, 0, j.text, j.len, false);
	if (i == k->n || strncmp(key_at(k, i), j.text, j.len) != 0 ||
		(suffix[0] != '/' && key_at(k, i)[j.len]))
		return false;
	return entry_at(k, i, prefix, prefix_len, reserved, ret) && !strcmp(ret->name, name);
}

/* The raw component that a name says, trailing signs of giving way and the encoding of our own names taken
 * off. */
static bool raw_of(const char *name, bool top, bool (*reserved)(const char *), char *raw, size_t *ret_len)
{
	size_t len = strlen(name);

	if (name_read(name, len, raw, ret_len) == NAME_VALUE)
		return true;
	while (len > 1 && name[len - 1] == '%') {
		len--;
		if (name_read(name, len, raw, ret_len) == NAME_VALUE)
			return true;
	}
	if (!top || len < 4 || name[0] != '%')
		return false;
	raw[0] = (char)strtoul((char[]){name[1], name[2], 0}, NULL, 16);
	memcpy(raw + 1, name + 3, len - 2);
	*ret_len = len - 2;
	raw[*ret_len] = '\0';
	return reserved(raw);
}

int bucket_find(const struct keys *k, const char *prefix, size_t prefix_len,
	bool (*reserved)(const char *name), const char *name, struct bucket_entry *ret)
{
	struct wanted w = {name, ret};
	char raw_text[1024];
	struct value raw = {raw_text, 0};
	size_t len;
	int err;

	if (strlen(name) >= sizeof(raw_text) - 1)
		return -ENOENT;
	/* No key has a NUL in it, and behind one of a name there is no more of a key to compare it with. */
	if (raw_of(name, !prefix_len, reserved, raw_text, &len) && !memchr(raw_text, '\0', len)) {
		raw.len = (uint32_t)len;
		if (try_key(k, prefix_len, prefix, raw, "/", reserved, name, ret) ||
			try_key(k, prefix_len, prefix, raw, "", reserved, name, ret) ||
			try_key(k, prefix_len, prefix, raw, ".gz", reserved, name, ret))
			return 0;
	}
	if (strlen(name) < CUT_NAME_MIN)
		return -ENOENT;
	/* A cut name says no key: look at all of them. */
	err = bucket_list(k, prefix, prefix_len, reserved, match, &w);
	return err == -EEXIST ? 0 : err ? err : -ENOENT;
}

int64_t bucket_mtime(const struct keys *k, const char *prefix, size_t prefix_len)
{
	uint32_t i = bound(k, 0, prefix, prefix_len, false), end = bound(k, i, prefix, prefix_len, true);
	int64_t newest = 0;

	for (; i < end; i++)
		if (k->object[i]->at.mtime > newest)
			newest = k->object[i]->at.mtime;
	return newest;
}
