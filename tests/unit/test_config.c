/*
 * Command lines and what becomes of them. A configuration is compared as text: what it would do, then every
 * field that is not at its default.
 */
#include "fs/config.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "render/buf.h"
#include "tests/unit/folder.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW          1750000000 /* 2025-06-15T15:06:40Z */
#define BASE         "s3://trail|/no/mnt"
#define ARGS_MAX     32

static void dump_flag(struct buf *b, const char *name, bool set)
{
	if (set)
		buf_addf(b, " %s", name);
}

static void dump_text(struct buf *b, const char *name, const char *text)
{
	if (text)
		buf_addf(b, " %s=%s", name, text);
}

/* What is below the current directory without it. */
static void dump_path(struct buf *b, const char *name, const char *path)
{
	char *cwd = getcwd(NULL, 0);
	size_t n = cwd ? strlen(cwd) : 0;

	dump_text(b, name, n && strncmp(path, cwd, n) == 0 && path[n] == '/' ? path + n + 1 : path);
	free(cwd);
}

static void dump_number(struct buf *b, const char *name, int64_t n, int64_t by_default)
{
	if (n != by_default)
		buf_addf(b, " %s=%lld", name, (long long)n);
}

static void dump_list(struct buf *b, const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dump_text(b, name, list[i]);
}

static char *dump(const struct config *c)
{
	static const char *const actions[] = {"mount", "print", "help", "version"};
	struct buf b = {0};

	buf_adds(&b, actions[c->action]);
	if (c->source && strcmp(c->source, "s3://trail") != 0)
		dump_path(&b, "source", c->source);
	if (c->mountpoint && strcmp(c->mountpoint, "/no/mnt") != 0)
		dump_text(&b, "mountpoint", c->mountpoint);
	dump_text(&b, "print", c->print_path);
	if (c->bucket && strcmp(c->bucket, "trail") != 0)
		dump_text(&b, "bucket", c->bucket);
	dump_text(&b, "prefix", c->prefix);
	dump_flag(&b, "foreground", c->foreground);
	dump_flag(&b, "wait", c->wait);
	dump_number(&b, "verbose", c->verbose, 0);
	dump_number(&b, "since", c->since, INT64_MIN);
	dump_number(&b, "until", c->until, INT64_MAX);
	dump_list(&b, "account", c->account, c->n_account);
	dump_list(&b, "log_region", c->log_region, c->n_log_region);
	dump_text(&b, "endpoint_url", c->endpoint_url);
	dump_text(&b, "region", c->region);
	dump_text(&b, "profile", c->profile);
	dump_text(&b, "owner", c->expected_bucket_owner);
	dump_text(&b, "ca_bundle", c->ca_bundle);
	dump_flag(&b, "no_sign_request", c->no_sign_request);
	dump_flag(&b, "request_payer", c->request_payer);
	dump_flag(&b, "force_path_style", c->force_path_style);
	dump_number(&b, "connections", c->connections, 64);
	dump_number(&b, "timeout", c->timeout, 60);
	if (c->cache_dir && strcmp(c->cache_dir, "/xdg/trailfs") != 0)
		dump_text(&b, "cache_dir", c->cache_dir);
	dump_number(&b, "cache_size", (int64_t)c->cache_size, 10ll << 30);
	dump_flag(&b, "offline", c->offline);
	dump_number(&b, "refresh", c->refresh, 300);
	dump_flag(&b, "allow_other", c->allow_other);
	dump_number(&b, "uid", c->uid, geteuid());
	dump_number(&b, "gid", c->gid, getegid());
	if (c->action < CONFIG_HELP && (c->dir_mode != 0500 || c->file_mode != 0400))
		buf_addf(&b, " %04o/%04o", c->dir_mode, c->file_mode);
	dump_text(&b, "fuse", c->fuse_options);
	return buf_steal(&b, NULL);
}

/* Runs "trailfs" with the arguments between the bars. Where the expectation starts with '!', the rest of it
 * has to be in the error. */
static void check_line(const char *line, const char *expect)
{
	char *args = strdup(line), *argv[ARGS_MAX] = {"trailfs"}, *rest = args;
	char error[CONFIG_ERROR_MAX] = "untouched";
	struct config config;
	char *found;
	int argc = 1, r;

	while (*line && argc < ARGS_MAX - 1 && (argv[argc] = strsep(&rest, "|")))
		argc++;
	r = config_parse(argc, argv, NOW, &config, error);
	found = r == 0 ? dump(&config) : strdup(error);
	if (expect[0] == '!' ? r != -EINVAL || !strstr(found, expect + 1)
			     : r != 0 || strcmp(found, expect) != 0)
		fail_msg("%s\n  expected %s\n  found    %d %s", line, expect, r, found);
	if (r < 0)
		assert_null(strchr(error, '\n'));
	if (r == 0)
		config_clear(&config);
	free(found);
	free(args);
}

/* One option, in all forms in which it can be written; expect: the fields that it sets. */
struct option_case {
	const char *name, *value, *expect;
};

static const struct option_case option_cases[] = {
	{"verbose", NULL, " verbose=1"},
	{"foreground", NULL, " foreground"},
	{"wait", NULL, " wait"},
	{"since", "2025-06-19", " since=1750291200"},
	{"since", "2025-06-19T09:30", " since=1750325400"},
	{"since", "24h", " since=1749913600"},
	{"until", "2025-06-19", " until=1750377599"},
	{"until", "2025-06-19T09:30", " until=1750325459"},
	{"until", "7d", " until=1749395200"},
	{"account", "123456789012", " account=123456789012"},
	{"log-region", "us-gov-west-1", " log_region=us-gov-west-1"},
	{"endpoint-url", "http://localhost:9000", " endpoint_url=http://localhost:9000"},
	{"region", "eu-west-1", " region=eu-west-1"},
	{"profile", "my audit=profile", " profile=my audit=profile"},
	{"no-sign-request", NULL, " no_sign_request"},
	{"request-payer", NULL, " request_payer"},
	{"expected-bucket-owner", "000000000001", " owner=000000000001"},
	{"force-path-style", NULL, " force_path_style"},
	{"ca-bundle", "/etc/ssl/ca.pem", " ca_bundle=/etc/ssl/ca.pem"},
	{"connections", "1", " connections=1"},
	{"connections", "1024", " connections=1024"},
	{"timeout", "86400", " timeout=86400"},
	{"cache-dir", "/big//disk/../cache/.", " cache_dir=/big/cache"},
	{"cache-size", "0", " cache_size=0"},
	{"cache-size", "3T", " cache_size=3298534883328"},
	{"offline", NULL, " offline"},
	{"refresh", "0", " refresh=0"},
	{"allow-other", NULL, " allow_other 0555/0444"},
	{"uid", "4242", " uid=4242"},
	{"gid", "4294967294", " gid=4294967294"},
	{"umask", "027", " 0550/0440"},
	{"umask", "0", " 0555/0444"},
};

static void check_form(const char *format, const char *name, const char *value, const char *expect)
{
	char line[512], mount[512];

	(void)snprintf(mount, sizeof(mount), "mount%s", expect);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(line, sizeof(line), format, name, value);
#pragma GCC diagnostic pop
	check_line(line, mount);
}

static void test_every_option_in_every_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(option_cases); i++) {
		const struct option_case *c = &option_cases[i];
		char *underscored = strdup(c->name);

		for (char *p = underscored; *p; p++)
			if (*p == '-')
				*p = '_';
		if (c->value) {
			check_form("--%s=%s|" BASE, c->name, c->value, c->expect);
			check_form("--%s|%s|" BASE, c->name, c->value, c->expect);
			check_form(BASE "|--%s|%s", c->name, c->value, c->expect);
			check_form(BASE "|-o|rw,%s=%s,nodev", c->name, c->value, c->expect);
			check_form("-o%s=%s|" BASE, underscored, c->value, c->expect);
		} else {
			check_form("--%s%s|" BASE, c->name, "", c->expect);
			check_form("s3://trail|--%s%s|/no/mnt", c->name, "", c->expect);
			check_form(BASE "|-o|rw,%s%s,nodev", c->name, "", c->expect);
			check_form("-o%s%s|" BASE, underscored, "", c->expect);
		}
		free(underscored);
	}
}

static void test_usage_names_every_option(void **state)
{
	char name[64];

	(void)state;
	for (size_t i = 0; i < COUNT(option_cases); i++) {
		const struct option_case *c = &option_cases[i];
		bool mount_only = strstr("uid gid umask", c->name) != NULL;

		if (strcmp(c->name, "allow-other") == 0)
			(void)snprintf(name, sizeof(name), " allow_other ");
		else if (mount_only)
			(void)snprintf(name, sizeof(name), "%s=", c->name);
		else
			(void)snprintf(name, sizeof(name), " --%s%s", c->name, c->value ? " " : "");
		if (!strstr(config_usage, name))
			fail_msg("-h does not name %s", name);
	}
}

struct line_case {
	const char *line, *expect;
};

static const struct line_case line_cases[] = {
	/* operands and letters */
	{BASE, "mount"},
	{"-f|" BASE, "mount foreground"},
	{BASE "|-fv", "mount foreground verbose=1"},
	{"-vvv|" BASE "|--verbose", "mount verbose=4"},
	{"s3://trail|-f|/no/mnt", "mount foreground"},
	{"-p|by-user|s3://trail", "print print=by-user"},
	{"-pby-user/a b|s3://trail", "print print=by-user/a b"},
	{"s3://trail|--print=/", "print print=/"},
	{"-fp|-x|s3://trail", "print print=-x foreground"},
	{"--|-dir|/no/mnt", "mount source=-dir"},
	{"-f|--|logs|/no/-f", "mount source=logs mountpoint=/no/-f foreground"},
	{"-|/no/mnt", "mount source=-"},
	{"/data/trail|/no/mnt", "mount source=/data/trail"},
	{"./logs/|/no/mnt", "mount source=logs"},
	{"s3://trail|/no//x/./../mnt/", "mount"},
	{"s3://trail|/../no/mnt", "mount"},
	{"s3://trail|/", "mount mountpoint=/"},
	{"", "!no SOURCE given; write trailfs s3://BUCKET MOUNTPOINT"},
	{"-p|/", "!no SOURCE given; write trailfs s3://BUCKET -p PATH"},
	{"s3://trail", "!no MOUNTPOINT given; write trailfs s3://trail DIRECTORY"},
	{"a|b|c", "!c: one operand too many"},
	{"-p|/|s3://trail|/no/mnt", "!/no/mnt: -p prints without mounting"},
	{"|/no/mnt", "!SOURCE is empty"},
	{"s3://trail|", "!MOUNTPOINT is empty"},
	{"-h", "help"},
	{"--help|--nonsense", "help"},
	{"-vV", "version verbose=1"},
	{"--version", "version"},
	{"--nonsense|-h", "!--nonsense: unknown option; trailfs -h lists them"},

	/* sources */
	{"s3://trail/|/no/mnt", "mount source=s3://trail/"},
	{"s3://my.trail-1/a/b|/no/mnt", "mount source=s3://my.trail-1/a/b bucket=my.trail-1 prefix=a/b/"},
	{"s3://trail/a/|/no/mnt", "mount source=s3://trail/a/ prefix=a/"},
	{"s3://trail//a//|/no/mnt", "mount source=s3://trail//a// prefix=/a//"},
	{"s3://|/no/mnt", "!s3://: no bucket named"},
	{"s3:///x|/no/mnt", "!s3:///x: no bucket named"},
	{"s3://My_Trail|/no/mnt", "!s3://My_Trail: no bucket can have this name: expected 3 to 63"},
	{"s3://ab|/no/mnt", "!no bucket can have this name"},
	{"s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/x|/no/mnt", "!use its name, or the alias"},
	{"S3://trail|/no/mnt", "!the scheme is in small letters; write s3://trail"},
	{"https://trail.s3.amazonaws.com/|/no/mnt", "!write s3://BUCKET/PREFIX, with --endpoint-url"},
	{"HTTP://localhost/trail|/no/mnt", "!a web address is not a source"},
	{"gs://trail|/no/mnt", "!such a source is not known; give s3://BUCKET/PREFIX or a directory"},
	{"s3:/trail|/no/mnt", "!a bucket has two slashes"},
	{"arn:aws:s3:::trail|/no/mnt", "!an ARN is not a source"},
	{"./s3:/trail|/no/mnt", "mount source=s3:/trail"},

	/* fstab, mount(8), mount.fuse3 */
	{BASE "|-o|rw", "mount"},
	{BASE "|-o|defaults", "mount"},
	{BASE "|-o|rw,nosuid,nodev,relatime,user=root,_netdev,nofail,dev,suid,exec,ro,auto,users", "mount"},
	{BASE "|-o|x-systemd.automount,x-gvfs-show,X-mount.mkdir=0700,comment=a trail,noatime,atime",
		"mount"},
	{BASE "|-o|,,ro,,", "mount"},
	{BASE "|-o|", "mount"},
	{BASE "|-o|noexec,fsname=trail,ro,subtype=x", "mount fuse=noexec,fsname=trail,subtype=x"},
	{BASE "|-o|noexec|-o|context=u:r:t:s0:c1\\,c2", "mount fuse=noexec,context=u:r:t:s0:c1\\,c2"},
	{BASE "|-o|profile=a\\,b\\\\c\\d,offline", "mount profile=a,b\\c\\d offline"},
	{BASE "|-o|allow_other,uid=7,umask=077,gid=8", "mount allow_other uid=7 gid=8"},
	{BASE "|-o|umask=222,allow_other", "mount allow_other 0555/0444"},
	{BASE "|-o|account=123456789012,account=210987654321,log_region=eu-west-1",
		"mount account=123456789012 account=210987654321 log_region=eu-west-1"},
	{BASE "|-fotimeout=5,offline", "mount foreground timeout=5 offline"},
	{BASE "|-o", "!-o: needs a value"},
	{BASE "|-o|rw,remount", "!-o remount: a live mount cannot be changed; unmount it"},
	{BASE "|-o|alow_other", "!-o alow_other: unknown option; did you mean -o allow-other?"},
	{BASE "|-o|defaultss", "!-o defaultss: unknown option"},
	{BASE "|-o|no", "!-o no: unknown option; trailfs -h lists them"},
	{BASE "|-o|offline=yes", "!-o offline=yes: takes no value; write -o offline"},
	{BASE "|-o|timeout", "!-o timeout: needs a value: seconds from 1 to 86400"},
	{BASE "|-o|timeout=x", "!-o timeout=x: expected seconds from 1 to 86400, such as 60"},
	{BASE "|--ro", "!--ro: unknown option"},

	/* long options: repeated, wrong */
	{"--timeout=5|--timeout|6|" BASE, "mount timeout=6"},
	{"--account=123456789012|--account|000000000000|" BASE,
		"mount account=123456789012 account=000000000000"},
	{"--log-region=eu-west-1|--log-region|us-east-1|" BASE,
		"mount log_region=eu-west-1 log_region=us-east-1"},
	{"--since=2025-06-19|--until=2025-06-19|" BASE, "mount since=1750291200 until=1750377599"},
	{"--since=7d|--until=24h|" BASE, "mount since=1749395200 until=1749913600"},
	{"--since=24h|--until=7d|" BASE, "!--since is later than --until"},
	{"--since=2025-06-20|--until=2025-06-19|" BASE, "!--since is later than --until"},
	{"--since=yesterday|" BASE, "!--since=yesterday: expected a day (2025-06-19), a minute"},
	{"--until=2025-02-29|" BASE, "!--until=2025-02-29: expected a day"},
	{"--account=12345|" BASE, "!--account=12345: expected an account's 12 digits"},
	{"--account=123456789012,210987654321|" BASE, "!expected an account's 12 digits"},
	{"--log-region=US-EAST-1|" BASE, "!--log-region=US-EAST-1: expected the name of a region"},
	{"--region|--offline|" BASE, "!--region=--offline: expected the name of a region"},
	{"--endpoint-url=localhost:9000|" BASE, "!expected a URL, such as http://localhost:9000"},
	{"--expected-bucket-owner=me|" BASE, "!expected an account's 12 digits"},
	{"--connections=0|" BASE, "!--connections=0: expected a number from 1 to 1024"},
	{"--connections=1025|" BASE, "!expected a number from 1 to 1024"},
	{"--timeout=0|" BASE, "!--timeout=0: expected seconds"},
	{"--timeout=86401|" BASE, "!expected seconds"},
	{"--timeout=-1|" BASE, "!expected seconds"},
	{"--refresh=5m|" BASE, "!expected seconds, such as 300, or 0 for never"},
	{"--refresh=31622401|" BASE, "!at most a year"},
	{"--cache-size=ten|" BASE, "!--cache-size=ten: expected bytes, such as 500M, 10G or 1T"},
	{"--uid=root|" BASE, "!--uid=root: expected a number, as `id` prints it"},
	{"--gid=4294967295|" BASE, "!expected a number"},
	{"--umask=888|" BASE, "!expected octal digits up to 777"},
	{"--profile=a\nb|" BASE, "!--profile=a?b: expected"},
	{"--cache-dir=|" BASE, "!--cache-dir: needs a value: a directory"},
	{BASE "|--region", "!--region: needs a value: the name of a region"},
	{"--offline=1|" BASE, "!--offline=1: takes no value; write --offline"},
	{"--ofline|" BASE, "!--ofline: unknown option; did you mean --offline?"},
	{"--endpoint=http://x|" BASE, "!--endpoint: unknown option; did you mean --endpoint-url?"},
	{"--cache_sise=1G|" BASE, "!--cache_sise: unknown option; did you mean --cache-size?"},
	{"--evil\033[2J\n|" BASE, "!--evil?[2J?: unknown option"},
	{"-x|" BASE, "!-x: unknown option; trailfs -h lists them"},
	{"-fx|" BASE, "!-x: unknown option"},
	{"s3://trail|-p", "!--print: needs a value: a path of the tree"},
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(line_cases); i++)
		check_line(line_cases[i].line, line_cases[i].expect);
}

static void test_long_arguments_make_a_short_error(void **state)
{
	char name[5000] = "--", line[6000];

	(void)state;
	memset(name + 2, 'x', sizeof(name) - 3);
	name[sizeof(name) - 1] = '\0';
	check_line(name, "!xxx: unknown option; trailfs -h lists them");
	(void)snprintf(line, sizeof(line), "--timeout=%s|" BASE, name);
	check_line(line, "!: expected seconds from 1 to 86400, such as 60");
	(void)snprintf(line, sizeof(line), "s3://trail/%.1024s|/no/mnt", name);
	check_line(line, "!the prefix in s3://BUCKET/PREFIX has more than 1024 bytes");
}

static void test_lists_have_an_end(void **state)
{
	char list[8192] = "";
	struct buf b = {0};
	struct config config;
	char error[CONFIG_ERROR_MAX];
	char *argv[] = {"trailfs", "s3://trail", "/no/mnt", "-o", list, NULL};

	(void)state;
	for (int i = 0; i < CONFIG_LIST_MAX; i++)
		buf_addf(&b, "account=%012d,", i);
	memcpy(list, b.data, b.len);
	assert_int_equal(config_parse(5, argv, NOW, &config, error), 0);
	assert_int_equal(config.n_account, CONFIG_LIST_MAX);
	assert_string_equal(config.account[CONFIG_LIST_MAX - 1], "000000000255");
	config_clear(&config);

	memcpy(list + b.len, "account=000000000000", sizeof("account=000000000000"));
	assert_int_equal(config_parse(5, argv, NOW, &config, error), -EINVAL);
	assert_non_null(strstr(error, "--account: more than 256 of them"));
	buf_clear(&b);
}

/* Fields are copies: the arguments may change or go. */
static void test_strings_are_copies(void **state)
{
	char source[] = "s3://trail/logs", region[] = "eu-west-1", error[CONFIG_ERROR_MAX];
	char *argv[] = {"trailfs", "--region", region, source, "/no/mnt", NULL};
	struct config config;

	(void)state;
	assert_int_equal(config_parse(5, argv, NOW, &config, error), 0);
	memset(source, '#', sizeof(source) - 1);
	memset(region, '#', sizeof(region) - 1);
	assert_string_equal(config.source, "s3://trail/logs");
	assert_string_equal(config.bucket, "trail");
	assert_string_equal(config.prefix, "logs/");
	assert_string_equal(config.region, "eu-west-1");
	config_clear(&config);
	assert_null(config.storage);
	config_clear(&config);
}

static void test_default_cache(void **state)
{
	static const struct {
		const char *xdg, *home, *expect;
	} cases[] = {
		{"/x/cache", "/home/a", "mount cache_dir=/x/cache/trailfs"},
		{"/x/cache/", NULL, "mount cache_dir=/x/cache/trailfs"},
		{"rel/cache", "/home/a", "mount cache_dir=/home/a/.cache/trailfs"},
		{"", "/home/a", "mount cache_dir=/home/a/.cache/trailfs"},
		{NULL, "/home/a", "mount cache_dir=/home/a/.cache/trailfs"},
		{NULL, "/", "mount cache_dir=/.cache/trailfs"},
		{NULL, "home", "mount cache_dir=/var/cache/trailfs"},
		{NULL, "", "mount cache_dir=/var/cache/trailfs"},
		{NULL, NULL, "mount cache_dir=/var/cache/trailfs"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsetenv("XDG_CACHE_HOME");
		unsetenv("HOME");
		if (cases[i].xdg)
			setenv("XDG_CACHE_HOME", cases[i].xdg, 1);
		if (cases[i].home)
			setenv("HOME", cases[i].home, 1);
		check_line(BASE, cases[i].expect);
	}
	check_line("--cache-dir=/mine|" BASE, "mount cache_dir=/mine");
	unsetenv("HOME");
	setenv("XDG_CACHE_HOME", "/xdg", 1);
}

static void check_linef(const char *line, const char *format, const char *dir)
{
	char expect[PATH_MAX + 256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(expect, sizeof(expect), format, dir);
#pragma GCC diagnostic pop
	check_line(line, expect);
}

/* Relative paths count from where the command was given: the daemon goes elsewhere. */
static void test_relative_paths(void **state)
{
	char *cwd = getcwd(NULL, 0), *dir;
	struct folder folder;

	(void)state;
	folder_make(&folder);
	dir = realpath(folder.path, NULL);
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("real", 0700), 0);
	assert_int_equal(symlink("real", "link"), 0);

	check_linef("s3://trail|real", "mount mountpoint=%s/real", dir);
	check_linef("s3://trail|link/", "mount mountpoint=%s/real", dir);
	check_linef("s3://trail|./link/../none", "mount mountpoint=%s/none", dir);
	check_linef("--cache-dir=c/./d|" BASE, "mount cache_dir=%s/c/d", dir);
	check_linef("--ca-bundle=../ca.pem|" BASE, "mount ca_bundle=/tmp/ca.pem", dir);
	check_line("link|/no/mnt", "mount source=link"); /* what it leads to may be another folder later */
	check_line("-p|x|link/../real//.", "print source=real print=x");
	check_line("./link/../none|/no/mnt", "mount source=none");
	assert_int_equal(mkdir("real/below", 0700), 0);
	assert_int_equal(symlink("real/below", "under"), 0);
	assert_int_equal(mkdir("real/beside", 0700), 0);
	check_line("under/../beside|/no/mnt", "mount source=real/beside");
	assert_int_equal(unlink("under"), 0);
	assert_int_equal(rmdir("real/beside"), 0);
	assert_int_equal(rmdir("real/below"), 0);

	assert_int_equal(unlink("link"), 0);
	assert_int_equal(rmdir("real"), 0);
	assert_int_equal(rmdir(dir), 0);
	check_line("--cache-dir=c|" BASE, "!c: the current directory is gone; give an absolute path");
	check_line("logs|/no/mnt", "!logs: the current directory is gone; give an absolute path");
	assert_int_equal(chdir(cwd), 0);
	free(dir);
	free(cwd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_option_in_every_form),
		cmocka_unit_test(test_usage_names_every_option),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_long_arguments_make_a_short_error),
		cmocka_unit_test(test_lists_have_an_end),
		cmocka_unit_test(test_strings_are_copies),
		cmocka_unit_test(test_default_cache),
		cmocka_unit_test(test_relative_paths),
	};

	setenv("XDG_CACHE_HOME", "/xdg", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
