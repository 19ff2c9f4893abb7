/*
 * Arguments into a struct: options (config_option.c), then operands, then what follows from both.
 *
 * mount(8) calls a helper as `mount.fuse.trailfs SOURCE MOUNTPOINT -o rw,nosuid,...`, and mount.fuse3 calls
 * `trailfs` in the same way, so operands may come first.
 */
#include "fs/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "fs/config_option.h"
#include "fs/config_value.h"

#define DEFAULT_CACHE_SIZE  (10ull << 30)
#define DEFAULT_CONNECTIONS 64
#define DEFAULT_TIMEOUT     60
#define DEFAULT_REFRESH     300
#define SYSTEM_CACHE        "/var/cache/trailfs" /* at boot there is no HOME */
#define BUCKET_SCHEME       "s3://"
#define PREFIX_MAX          1024 /* bytes of a key (Amazon S3 User Guide, "Naming objects") */

struct operands {
	const char *at[2];
	int n;
};

static int add_operand(struct config_parser *p, struct operands *operands, const char *arg)
{
	if (operands->n == 2)
		return config_fail(p, "%.*s: one operand too many; there are only SOURCE and MOUNTPOINT",
			CONFIG_QUOTE_MAX, arg);
	operands->at[operands->n++] = arg;
	return 0;
}

/* Stops at once at -h or -V, so that nothing else on the line can be in their way. */
static int walk_arguments(struct config_parser *p, int argc, char *argv[], struct operands *operands)
{
	bool options = true;
	int r = 0;

	for (int i = 1; i < argc && r >= 0; i++) {
		const char *arg = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;

		if (!options || arg[0] != '-' || arg[1] == '\0')
			r = add_operand(p, operands, arg);
		else if (strcmp(arg, "--") == 0)
			options = false;
		else if (arg[1] == '-')
			r = config_option_long(p, arg + 2, next);
		else
			r = config_option_letters(p, arg + 1, next);
		if (p->config->action == CONFIG_HELP || p->config->action == CONFIG_VERSION)
			break;
		if (r > 0) {
			i++;
			r = 0;
		}
	}
	return r;
}

static int check_operands(struct config_parser *p, const struct operands *operands)
{
	bool print = p->config->action == CONFIG_PRINT;

	if (operands->n == 0)
		return config_fail(p, "no SOURCE given; write trailfs s3://BUCKET %s, or see trailfs -h",
			print ? "-p PATH" : "MOUNTPOINT");
	if (operands->n == 1 && !print)
		return config_fail(p,
			"no MOUNTPOINT given; write trailfs %.*s DIRECTORY, or -p PATH to look without "
			"mounting",
			CONFIG_QUOTE_MAX, operands->at[0]);
	if (operands->n == 2 && print)
		return config_fail(p, "%.*s: -p prints without mounting; leave the mount point out",
			CONFIG_QUOTE_MAX, operands->at[1]);
	return 0;
}

/* The length of a URL's "scheme://", or 0. */
static size_t scheme_len(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]))
		n++;
	return n > 0 && strncmp(s + n, "://", 3) == 0 ? n + 3 : 0;
}

/* Resolved. A mount point whose server died answers ENOTCONN to everything, and what is not there cannot be
 * resolved either: then the path's letters must do. */
static int keep_real(struct config_parser *p, const char *path, const char **ret)
{
	char *real = realpath(path, NULL);
	int r;

	if (!real && errno == ENOMEM)
		return -ENOMEM;
	r = real ? config_keep(p, real, strlen(real), ret) : config_keep_absolute(p, path, ret);
	free(real);
	return r;
}

static int set_directory(struct config_parser *p, const char *source)
{
	if (strncasecmp(source, "arn:", 4) == 0)
		return config_fail(p, "%.*s: an ARN is not a source; write s3://BUCKET/PREFIX",
			CONFIG_QUOTE_MAX, source);
	if (strncasecmp(source, BUCKET_SCHEME, 5) == 0)
		return config_fail(p, "%.*s: the scheme is in small letters; write s3://%.*s",
			CONFIG_QUOTE_MAX, source, CONFIG_QUOTE_MAX, source + 5);
	if (strncasecmp(source, "http://", 7) == 0 || strncasecmp(source, "https://", 8) == 0)
		return config_fail(p,
			"%.*s: a web address is not a source; write s3://BUCKET/PREFIX, with --endpoint-url "
			"for another server than Amazon's",
			CONFIG_QUOTE_MAX, source);
	if (scheme_len(source))
		return config_fail(p,
			"%.*s: such a source is not known; give s3://BUCKET/PREFIX or a directory",
			CONFIG_QUOTE_MAX, source);
	if (strncasecmp(source, "s3:", 3) == 0)
		return config_fail(p, "%.*s: a bucket has two slashes, s3://BUCKET; a directory is ./%.*s",
			CONFIG_QUOTE_MAX, source, CONFIG_QUOTE_MAX, source);
	/* A link may be made to lead elsewhere, which is to be noticed; but only the system knows what is
	 * above one. */
	return strstr(source, "..") ? keep_real(p, source, &p->config->source)
				    : config_keep_absolute(p, source, &p->config->source);
}

/* A prefix is a folder: it ends in '/', or s3://b/logs would hold logs-old/ too. */
static int set_prefix(struct config_parser *p, const char *prefix)
{
	struct buf b = {0};
	size_t n = strlen(prefix);
	int r;

	if (n == 0)
		return 0;
	buf_add(&b, prefix, n);
	if (prefix[n - 1] != '/')
		buf_addc(&b, '/');
	if (b.len > PREFIX_MAX)
		r = config_fail(p, "the prefix in s3://BUCKET/PREFIX has more than %d bytes, and no key has",
			PREFIX_MAX);
	else
		r = b.failed ? -ENOMEM : config_keep(p, b.data, b.len, &p->config->prefix);
	buf_clear(&b);
	return r;
}

static int set_bucket(struct config_parser *p, const char *rest)
{
	size_t n = strcspn(rest, "/");
	int r = config_keep(p, rest, n, &p->config->bucket);

	if (r < 0)
		return r;
	if (n == 0)
		return config_fail(p, "s3://%.*s: no bucket named; write s3://BUCKET or s3://BUCKET/PREFIX",
			CONFIG_QUOTE_MAX, rest);
	if (strncmp(rest, "arn:", 4) == 0)
		return config_fail(p,
			"s3://%.*s: an ARN is not a bucket; use its name, or the alias of an access point",
			CONFIG_QUOTE_MAX, rest);
	if (!config_value_is_bucket(p->config->bucket))
		return config_fail(p,
			"s3://%.*s: no bucket can have this name: expected 3 to 63 small letters, digits, "
			"hyphens "
			"and dots, such as s3://my-trail-bucket",
			CONFIG_QUOTE_MAX, p->config->bucket);
	return set_prefix(p, rest[n] == '/' ? rest + n + 1 : "");
}

static int set_source(struct config_parser *p, const char *source)
{
	if (!*source)
		return config_fail(p, "SOURCE is empty; give s3://BUCKET or a directory");
	if (strncmp(source, BUCKET_SCHEME, strlen(BUCKET_SCHEME)) != 0)
		return set_directory(p, source);
	int r = config_keep(p, source, strlen(source), &p->config->source);
	return r < 0 ? r : set_bucket(p, source + strlen(BUCKET_SCHEME));
}

static int set_mountpoint(struct config_parser *p, const char *path)
{
	if (!*path)
		return config_fail(p, "MOUNTPOINT is empty; give a directory");
	return keep_real(p, path, &p->config->mountpoint);
}

/* XDG Base Directory Specification: a variable that is not absolute is as good as none. */
static int set_default_cache(struct config_parser *p)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	struct buf b = {0};
	int r;

	if (xdg && xdg[0] == '/')
		buf_addf(&b, "%s/trailfs", xdg);
	else if (home && home[0] == '/')
		buf_addf(&b, "%s/.cache/trailfs", home);
	else
		buf_adds(&b, SYSTEM_CACHE);
	buf_addc(&b, '\0');
	r = b.failed ? -ENOMEM : config_keep_absolute(p, b.data, &p->config->cache_dir);
	buf_clear(&b);
	return r;
}

/* Nobody else gets in unless asked for; a umask is how to ask for a part. */
static void set_modes(struct config_parser *p)
{
	bool open = p->config->allow_other || p->umask != CONFIG_NO_UMASK;
	mode_t without = p->umask != CONFIG_NO_UMASK ? p->umask : 0;

	p->config->dir_mode = (open ? 0555 : 0500) & ~without;
	p->config->file_mode = (open ? 0444 : 0400) & ~without;
}

static int set_rest(struct config_parser *p)
{
	struct config *c = p->config;
	int r = 0;

	if (c->since > c->until)
		return config_fail(p, "--since is later than --until: nothing would be shown; exchange them");
	set_modes(p);
	if (!c->cache_dir)
		r = set_default_cache(p);
	if (r == 0 && p->fuse_options.failed)
		r = -ENOMEM;
	if (r == 0 && p->fuse_options.len > 0)
		r = config_keep(p, p->fuse_options.data, p->fuse_options.len, &c->fuse_options);
	return r;
}

static int parse_all(struct config_parser *p, int argc, char *argv[])
{
	struct operands operands = {0};
	int r = walk_arguments(p, argc, argv, &operands);

	if (r < 0 || p->config->action == CONFIG_HELP || p->config->action == CONFIG_VERSION)
		return r;
	r = check_operands(p, &operands);
	if (r == 0)
		r = set_source(p, operands.at[0]);
	if (r == 0 && p->config->action == CONFIG_MOUNT)
		r = set_mountpoint(p, operands.at[1]);
	return r == 0 ? set_rest(p) : r;
}

int config_parse(int argc, char *argv[], int64_t now, struct config *ret, char error[CONFIG_ERROR_MAX])
{
	struct config config = {
		.action = CONFIG_MOUNT,
		.since = INT64_MIN,
		.until = INT64_MAX,
		.connections = DEFAULT_CONNECTIONS,
		.timeout = DEFAULT_TIMEOUT,
		.cache_size = DEFAULT_CACHE_SIZE,
		.refresh = DEFAULT_REFRESH,
		.uid = geteuid(),
		.gid = getegid(),
	};
	struct config_parser parser = {
		.config = &config,
		.now = now,
		.error = error,
		.umask = CONFIG_NO_UMASK,
	};
	int r;

	error[0] = '\0';
	r = parse_all(&parser, argc, argv);
	buf_clear(&parser.fuse_options);
	if (r < 0) {
		config_clear(&config);
		return r;
	}
	*ret = config;
	return 0;
}

void config_clear(struct config *config)
{
	config_free_kept(config);
	free(config->account);
	free(config->log_region);
	*config = (struct config){0};
}
