/*
 * One table holds every option; it serves `--name value`, `--name=value`, `-x` and `-o name=value`. '-' and
 * '_' in a name are one letter, because mount options are written with '_'.
 */
#include "fs/config_option.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fs/config_value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define REFRESH_MAX  (366u * 24 * 3600)
#define NAME_WIDTH   40 /* of what is quoted in an error */

struct option {
	const char *name;
	char letter; /* or 0 */
	int (*set)(struct config_parser *p, const struct option *o, const char *value);
	size_t field;        /* offset in struct config */
	const char *expects; /* completes "expected ..."; NULL: takes no value */
	bool (*valid)(const char *value);
	unsigned min, max;
};

static void *field(struct config_parser *p, const struct option *o)
{
	return (char *)p->config + o->field;
}

static int set_flag(struct config_parser *p, const struct option *o, const char *value)
{
	(void)value;
	*(bool *)field(p, o) = true;
	return 0;
}

static int set_verbose(struct config_parser *p, const struct option *o, const char *value)
{
	(void)o, (void)value;
	p->config->verbose++;
	return 0;
}

static int set_help(struct config_parser *p, const struct option *o, const char *value)
{
	(void)o, (void)value;
	p->config->action = CONFIG_HELP;
	return 0;
}

static int set_version(struct config_parser *p, const struct option *o, const char *value)
{
	(void)o, (void)value;
	p->config->action = CONFIG_VERSION;
	return 0;
}

static int set_print(struct config_parser *p, const struct option *o, const char *value)
{
	(void)o;
	p->config->action = CONFIG_PRINT;
	return config_keep(p, value, strlen(value), &p->config->print_path);
}

static int set_text(struct config_parser *p, const struct option *o, const char *value)
{
	return o->valid(value) ? config_keep(p, value, strlen(value), field(p, o)) : -EINVAL;
}

static int set_path(struct config_parser *p, const struct option *o, const char *value)
{
	return o->valid(value) ? config_keep_absolute(p, value, field(p, o)) : -EINVAL;
}

/* unsigned, uid_t and gid_t are one type here. */
static int set_count(struct config_parser *p, const struct option *o, const char *value)
{
	uint64_t n;

	if (!config_value_count(value, o->min, o->max, &n))
		return -EINVAL;
	*(unsigned *)field(p, o) = (unsigned)n;
	return 0;
}

static int set_size(struct config_parser *p, const struct option *o, const char *value)
{
	return config_value_size(value, field(p, o)) ? 0 : -EINVAL;
}

static int set_umask(struct config_parser *p, const struct option *o, const char *value)
{
	(void)o;
	return config_value_umask(value, &p->umask) ? 0 : -EINVAL;
}

static int set_since(struct config_parser *p, const struct option *o, const char *value)
{
	return config_value_time(value, p->now, false, field(p, o)) ? 0 : -EINVAL;
}

static int set_until(struct config_parser *p, const struct option *o, const char *value)
{
	return config_value_time(value, p->now, true, field(p, o)) ? 0 : -EINVAL;
}

static int add_to_list(struct config_parser *p, const struct option *o, const char *value, size_t *n)
{
	const char ***list = field(p, o);
	const char **more;
	int r;

	if (!o->valid(value))
		return -EINVAL;
	if (*n >= CONFIG_LIST_MAX)
		return config_fail(p, "--%s: more than %d of them; leave some out", o->name, CONFIG_LIST_MAX);
	more = realloc(*list, (*n + 1) * sizeof(**list));
	if (!more)
		return -ENOMEM;
	*list = more;
	r = config_keep(p, value, strlen(value), &more[*n]);
	if (r == 0)
		++*n;
	return r;
}

static int add_account(struct config_parser *p, const struct option *o, const char *value)
{
	return add_to_list(p, o, value, &p->config->n_account);
}

static int add_log_region(struct config_parser *p, const struct option *o, const char *value)
{
	return add_to_list(p, o, value, &p->config->n_log_region);
}

#define AT(member) offsetof(struct config, member)
#define A_TIME     "a day (2025-06-19), a minute (2025-06-19T09:30) or an age (24h, 7d)"
#define A_URL      "a URL, such as http://localhost:9000 or https://s3.example.net"
#define A_REGION   "the name of a region, such as us-east-1"
#define AN_ACCOUNT "an account's 12 digits, such as 123456789012"
#define A_USER_ID  "a number, as `id` prints it"

static const struct option options[] = {
	{.name = "help", .letter = 'h', .set = set_help},
	{.name = "version", .letter = 'V', .set = set_version},
	{.name = "verbose", .letter = 'v', .set = set_verbose},
	{.name = "foreground", .letter = 'f', .set = set_flag, .field = AT(foreground)},
	{.name = "print", .letter = 'p', .set = set_print, .expects = "a path of the tree, such as by-user"},
	{.name = "wait", .set = set_flag, .field = AT(wait)},

	{.name = "since", .set = set_since, .field = AT(since), .expects = A_TIME},
	{.name = "until", .set = set_until, .field = AT(until), .expects = A_TIME},
	{.name = "account",
		.set = add_account,
		.field = AT(account),
		.expects = AN_ACCOUNT,
		.valid = config_value_is_account},
	{.name = "log-region",
		.set = add_log_region,
		.field = AT(log_region),
		.expects = A_REGION,
		.valid = config_value_is_region},

	{.name = "endpoint-url",
		.set = set_text,
		.field = AT(endpoint_url),
		.expects = A_URL,
		.valid = config_value_is_url},
	{.name = "region",
		.set = set_text,
		.field = AT(region),
		.expects = A_REGION,
		.valid = config_value_is_region},
	{.name = "profile",
		.set = set_text,
		.field = AT(profile),
		.expects = "a profile's name in ~/.aws/config",
		.valid = config_value_is_text},
	{.name = "no-sign-request", .set = set_flag, .field = AT(no_sign_request)},
	{.name = "request-payer", .set = set_flag, .field = AT(request_payer)},
	{.name = "expected-bucket-owner",
		.set = set_text,
		.field = AT(expected_bucket_owner),
		.expects = AN_ACCOUNT,
		.valid = config_value_is_account},
	{.name = "force-path-style", .set = set_flag, .field = AT(force_path_style)},
	{.name = "ca-bundle",
		.set = set_path,
		.field = AT(ca_bundle),
		.expects = "a file of certificates (PEM)",
		.valid = config_value_is_text},
	{.name = "connections",
		.set = set_count,
		.field = AT(connections),
		.expects = "a number from 1 to 1024, such as 64",
		.min = 1,
		.max = 1024},
	{.name = "timeout",
		.set = set_count,
		.field = AT(timeout),
		.expects = "seconds from 1 to 86400, such as 60",
		.min = 1,
		.max = 86400},

	{.name = "cache-dir",
		.set = set_path,
		.field = AT(cache_dir),
		.expects = "a directory, such as /var/cache/trailfs",
		.valid = config_value_is_text},
	{.name = "cache-size",
		.set = set_size,
		.field = AT(cache_size),
		.expects = "bytes, such as 500M, 10G or 1T"},
	{.name = "offline", .set = set_flag, .field = AT(offline)},
	{.name = "refresh",
		.set = set_count,
		.field = AT(refresh),
		.expects = "seconds, such as 300, or 0 for never; at most a year",
		.max = REFRESH_MAX},

	{.name = "allow-other", .set = set_flag, .field = AT(allow_other)},
	{.name = "uid", .set = set_count, .field = AT(uid), .expects = A_USER_ID, .max = UINT_MAX - 1},
	{.name = "gid", .set = set_count, .field = AT(gid), .expects = A_USER_ID, .max = UINT_MAX - 1},
	{.name = "umask", .set = set_umask, .expects = "octal digits up to 777, such as 022"},
};

/* clang-format off */

/* Mean nothing to a mount that is always read-only, nosuid, nodev and noatime; or are for mount(8) itself. */
static const char *const ignored[] = {
	"defaults", "rw", "ro", "suid", "nosuid", "dev", "nodev", "exec", "sync", "async", "dirsync",
	"atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime",
	"nostrictatime", "lazytime", "nolazytime", "iversion", "noiversion", "mand", "nomand",
	"auto", "noauto", "user", "nouser", "users", "nousers", "owner", "noowner", "group", "nogroup",
	"nofail", "_netdev", "comment", "uhelper", "helper", "silent", "loud",
	"default_permissions", "nonempty",
};

/* For libfuse and the kernel. */
static const char *const passed_on[] = {
	"noexec", "context", "fscontext", "defcontext", "rootcontext", "fsname", "subtype", "auto_unmount",
};
/* clang-format on */

static bool is_in(const char *const *names, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(names[i], name, len) == 0 && names[i][len] == '\0')
			return true;
	return false;
}

static const struct option *find_option(const char *name)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

static const struct option *find_letter(char letter)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (options[i].letter == letter)
			return &options[i];
	return NULL;
}

/* Sets the option, and completes the error if its value was not right. */
static int apply(struct config_parser *p, const struct option *o, const char *value)
{
	int r;

	if (!o->expects && value)
		return config_fail(p, "%s%s=%.*s: takes no value; write %s%s", p->form, o->name,
			CONFIG_QUOTE_MAX, value, p->form, o->name);
	if (o->expects && (!value || !*value))
		return config_fail(p, "%s%s: needs a value: %s", p->form, o->name, o->expects);
	p->error[0] = '\0';
	r = o->set(p, o, value);
	if (r == -EINVAL && p->error[0] == '\0')
		return config_fail(
			p, "%s%s=%.*s: expected %s", p->form, o->name, CONFIG_QUOTE_MAX, value, o->expects);
	return r;
}

/* name: as it is in the table, if it were. */
static int unknown(struct config_parser *p, const char *written, const char *name)
{
	int n = (int)strnlen(name, NAME_WIDTH);

	for (size_t i = 0; i < COUNT(options); i++)
		if (config_value_is_near(name, options[i].name))
			return config_fail(p, "%s%.*s: unknown option; did you mean %s%s?", p->form, n,
				written, p->form, options[i].name);
	return config_fail(p, "%s%.*s: unknown option; trailfs -h lists them", p->form, n, written);
}

/* The name before '=' with '_' as '-', cut where no option's name is as long. Gives the value, or NULL. */
static const char *split_name(const char *arg, char name[NAME_WIDTH + 1])
{
	size_t len = strcspn(arg, "="), n = len < NAME_WIDTH ? len : NAME_WIDTH;

	for (size_t i = 0; i < n; i++)
		name[i] = arg[i] == '_' ? '-' : arg[i];
	name[n] = '\0';
	return arg[len] == '=' ? arg + len + 1 : NULL;
}

/* libfuse splits at commas again. */
static void pass_on(struct config_parser *p, const char *item)
{
	if (p->fuse_options.len > 0)
		buf_addc(&p->fuse_options, ',');
	for (; *item; item++) {
		if (*item == ',' || *item == '\\')
			buf_addc(&p->fuse_options, '\\');
		buf_addc(&p->fuse_options, *item);
	}
}

/* NAME[=VALUE] of a -o list. */
static int mount_option(struct config_parser *p, const char *item)
{
	size_t len = strcspn(item, "=");
	char name[NAME_WIDTH + 1];
	const char *value = split_name(item, name);
	const struct option *o = find_option(name);

	p->form = "-o ";
	if (is_in(ignored, COUNT(ignored), item, len) || strncasecmp(item, "x-", 2) == 0)
		return 0;
	if (is_in(passed_on, COUNT(passed_on), item, len)) {
		pass_on(p, item);
		return 0;
	}
	if (strcmp(name, "remount") == 0)
		return config_fail(
			p, "-o remount: a live mount cannot be changed; unmount it and mount it again");
	return o ? apply(p, o, value) : unknown(p, item, name);
}

/* A list with commas; a backslash takes the comma or backslash after it as it is. */
static int mount_options(struct config_parser *p, const char *list)
{
	struct buf item = {0};
	int r = 0;

	for (; r == 0; list++) {
		if (*list == '\\' && (list[1] == ',' || list[1] == '\\')) {
			buf_addc(&item, *++list);
		} else if (*list != ',' && *list != '\0') {
			buf_addc(&item, *list);
		} else {
			buf_addc(&item, '\0');
			r = item.failed ? -ENOMEM : item.len > 1 ? mount_option(p, item.data) : 0;
			item.len = 0;
			if (*list == '\0')
				break;
		}
	}
	buf_clear(&item);
	return r;
}

int config_option_long(struct config_parser *p, const char *arg, const char *next)
{
	char name[NAME_WIDTH + 1];
	const char *value = split_name(arg, name);
	const struct option *o = find_option(name);
	bool takes_next = o && o->expects && !value && next;
	int r;

	p->form = "--";
	r = o ? apply(p, o, takes_next ? next : value) : unknown(p, arg, name);
	return r == 0 && takes_next ? 1 : r;
}

int config_option_letters(struct config_parser *p, const char *letters, const char *next)
{
	const char *value;
	int r = 0;

	p->form = "--";
	for (; *letters && r == 0; letters++) {
		const struct option *o = find_letter(*letters);

		if (!o && *letters != 'o')
			return config_fail(p, "-%c: unknown option; trailfs -h lists them", *letters);
		if (o && !o->expects) {
			r = apply(p, o, NULL);
			continue;
		}
		value = letters[1] ? letters + 1 : next;
		if (o)
			r = apply(p, o, value);
		else if (value)
			r = mount_options(p, value);
		else
			r = config_fail(p, "-o: needs a value: NAME[=VALUE][,...], such as allow_other");
		return r == 0 && value == next ? 1 : r;
	}
	return r;
}
