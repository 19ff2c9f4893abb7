/*
 * The files of ~/.aws: what is asked of them and what they say, as tables. The expected values are those of
 * the AWS command line, but where a comment says otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "s3/profile.h"
#include "tests/unit/folder.h"

#define P PROFILE_PROFILE

struct row {
	const char *config, *credentials;
	enum profile_kind kind;
	const char *name, *key, *sub;
	const char *value; /* NULL: none */
};

static const struct row rows[] = {
	/* sections */
	{"[default]\na=1\n", "", P, "default", "a", NULL, "1"},
	{"[profile x]\na=1\n", "", P, "x", "a", NULL, "1"},
	{"[profile x]\na=1", "", P, "x", "a", NULL, "1"},
	{"[profile   x  ]\na=1\n", "", P, "x", "a", NULL, "1"},
	{"[profile \"my own\"]\na=1\n", "", P, "my own", "a", NULL, "1"},
	{"[profile 'my own']\na=1\n", "", P, "my own", "a", NULL, "1"},
	{"[x]\na=1\n", "", P, "x", "a", NULL, NULL},
	{"[profilex]\na=1\n", "", P, "x", "a", NULL, NULL},
	{"[profile]\na=1\n", "", P, "", "a", NULL, NULL},
	{"[preview]\na=1\n[profile x]\nb=2\n", "", P, "x", "b", NULL, "2"},
	{"[profile X]\na=1\n", "", P, "x", "a", NULL, NULL},
	{"[profile x] # mine\na=1\n", "", P, "x", "a", NULL, "1"},
	{"[sso-session s]\nsso_region=r\n", "", PROFILE_SSO, "s", "sso_region", NULL, "r"},
	{"[sso-session s]\nsso_region=r\n", "", P, "s", "sso_region", NULL, NULL},
	{"[services v]\ns3 =\n  endpoint_url = http://h:1\n", "", PROFILE_SERVICES, "v", "s3", "endpoint_url",
		"http://h:1"},
	{"", "[x]\na=1\n", P, "x", "a", NULL, "1"},
	{"", "[profile x]\na=1\n", P, "x", "a", NULL, NULL},
	{"[default]\na=1\n[profile default]\na=2\n", "", P, "default", "a", NULL, "2"},
	{"[profile default]\na=2\n[default]\na=1\n", "", P, "default", "a", NULL, "2"},
	{"[profile default]\na=2\n[default]\nb=1\n", "", P, "default", "b", NULL, NULL},
	/* keys */
	{"[default]\n a = 1 \r\n", "", P, "default", "a", NULL, "1"},
	{"[default]\na: 1\n", "", P, "default", "a", NULL, "1"},
	{"[default]\na = b = c\n", "", P, "default", "a", NULL, "b = c"},
	{"[default]\na = x:y=z\n", "", P, "default", "a", NULL, "x:y=z"},
	{"[default]\nREGION = r\n", "", P, "default", "region", NULL, "r"},
	{"[default]\na = \n", "", P, "default", "a", NULL, ""},
	{"[default]\na = 1\na = 2\n", "", P, "default", "a", NULL, "2"},
	{"\xef\xbb\xbf[default]\na = 1\n", "", P, "default", "a", NULL, "1"},
	{"\n\n[default]\n\na = 1\n\n", "", P, "default", "a", NULL, "1"},
	/* A section that is there twice is one (the command line refuses it). */
	{"[profile x]\na=1\n[default]\nb=2\n[profile x]\nc=3\n", "", P, "x", "a", NULL, "1"},
	/* comments: whole lines only */
	{"# [default]\n[default]\n#a = 1\n;a = 2\n", "", P, "default", "a", NULL, NULL},
	{"[default]\na = 1 # one\n", "", P, "default", "a", NULL, "1 # one"},
	{"[default]\na = x#y;z\n", "", P, "default", "a", NULL, "x#y;z"},
	/* blocks */
	{"[default]\ns3 =\n  a = 1\n  b = 2\nc = 3\n", "", P, "default", "s3", "b", "2"},
	{"[default]\ns3 =\n  a = 1\n  b = 2\nc = 3\n", "", P, "default", "c", NULL, "3"},
	{"[default]\ns3 =\n  a = 1\n", "", P, "default", "a", NULL, NULL},
	{"[default]\ns3 =\n  a = 1\n", "", P, "default", "s3", NULL, ""},
	{"[default]\ns3 =\n\n  # no\n  a = 1\n", "", P, "default", "s3", "a", "1"},
	{"[default]\ns3 =\n\taddressing_style = path\n", "", P, "default", "s3", "addressing_style", "path"},
	{"[default]\ns3 =\n  a = x:y=z\n", "", P, "default", "s3", "a", "x:y=z"},
	{"[default]\ns3 =\n  a = 1\n[profile x]\n  b = 2\n", "", P, "x", "b", NULL, "2"},
	{"[services v]\ns3 =\n  a = 1\nsts =\n  a = 2\n", "", PROFILE_SERVICES, "v", "sts", "a", "2"},
	{"[default]\n  a = 1\n  b = 2\n", "", P, "default", "b", NULL, "2"},
	{"[default]\na = 1\n  more\nb = 2\n", "", P, "default", "a", NULL, "1\nmore"},
	{"[default]\na = 1\n  more\n    and more\nb = 2\n", "", P, "default", "a", NULL, "1\nmore\nand more"},
	{"[default]\na = 1\n  more\nb = 2\n", "", P, "default", "b", NULL, "2"},
	/* both files */
	{"[profile x]\na=1\nb=1\n", "[x]\na=2\n", P, "x", "a", NULL, "2"},
	{"[profile x]\na=1\nb=1\n", "[x]\na=2\n", P, "x", "b", NULL, "1"},
	{"[default]\na=1\n", "[default]\na=2\n", P, "default", "a", NULL, "2"},
	{"", "", P, "default", "a", NULL, NULL},
};

static void test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		char reason[PROFILE_REASON_MAX];
		struct profile_set *s;
		const char *value;

		if (profile_parse(row->config, strlen(row->config), row->credentials,
			    strlen(row->credentials), &s, reason) != 0)
			fail_msg("row %zu: %s", i, reason);
		value = profile_get(s, row->kind, row->name, row->key, row->sub);
		if (!value != !row->value || (value && strcmp(value, row->value) != 0))
			fail_msg("row %zu:\n%s\n%s\nwant %s, have %s", i, row->config, row->credentials,
				row->value ? row->value : "(none)", value ? value : "(none)");
		profile_free(s);
	}
}

static void test_has(void **state)
{
	static const char config[] = "[default]\n[profile a]\n[sso-session s]\n[services v]\n[b]\n";
	char reason[PROFILE_REASON_MAX];
	struct profile_set *s;

	(void)state;
	assert_int_equal(profile_parse(config, strlen(config), "[c]\n", 4, &s, reason), 0);
	assert_true(profile_has(s, P, "default"));
	assert_true(profile_has(s, P, "a"));
	assert_true(profile_has(s, P, "c"));
	assert_false(profile_has(s, P, "b"));
	assert_false(profile_has(s, P, "s"));
	assert_true(profile_has(s, PROFILE_SSO, "s"));
	assert_true(profile_has(s, PROFILE_SERVICES, "v"));
	assert_false(profile_has(s, PROFILE_SERVICES, "s"));
	profile_free(s);
}

static void test_from(void **state)
{
	static const char config[] = "[default]\na = 1\n", credentials[] = "[default]\na = 2\nb = 3\n";
	char reason[PROFILE_REASON_MAX];
	struct profile_set *s;

	(void)state;
	assert_int_equal(
		profile_parse(config, strlen(config), credentials, strlen(credentials), &s, reason), 0);
	assert_string_equal(profile_get_from(s, false, "default", "a"), "1");
	assert_string_equal(profile_get_from(s, true, "default", "a"), "2");
	assert_null(profile_get_from(s, false, "default", "b"));
	profile_free(s);
}

static void test_wrong(void **state)
{
	static const struct {
		const char *config, *credentials, *reason;
	} wrong[] = {
		{"a = 1\n", "", "config: line 1: comes before the first section"},
		{"[default\na = 1\n", "", "config: line 1: a section without its ]"},
		{"[default]\n\nwords\n", "", "config: line 3: neither a section nor key = value"},
		{"[default]\n= 1\n", "", "config: line 2: neither a section nor key = value"},
		{"[default]\ns3 =\n  words\n", "",
			"config: line 3: not key = value, in the block below a key"},
		{"", "[default]\nwords", "credentials: line 2: neither a section nor key = value"},
	};
	char reason[PROFILE_REASON_MAX];
	struct profile_set *s;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(profile_parse(wrong[i].config, strlen(wrong[i].config), wrong[i].credentials,
					 strlen(wrong[i].credentials), &s, reason),
			-EINVAL);
		assert_string_equal(reason, wrong[i].reason);
	}
	assert_int_equal(profile_parse("[a]\nb=\0c\n", 9, "", 0, &s, reason), -EINVAL);
	assert_string_equal(reason, "config: holds a NUL");
}

static void test_files(void **state)
{
	char reason[PROFILE_REASON_MAX], *big = calloc(1, PROFILE_FILE_MAX + 2);
	struct folder folder;
	struct profile_set *s;
	FILE *file;

	(void)state;
	folder_make(&folder);
	/* Neither is there. */
	assert_int_equal(profile_load(folder_at(&folder, "a"), folder_at(&folder, "b"), &s, reason), 0);
	assert_false(profile_has(s, P, "default"));
	profile_free(s);

	file = fopen(folder_at(&folder, "a"), "w");
	fputs("[profile x]\na = 1\n", file);
	fclose(file);
	assert_int_equal(profile_load(folder_at(&folder, "a"), folder_at(&folder, "b"), &s, reason), 0);
	assert_string_equal(profile_get(s, P, "x", "a", NULL), "1");
	profile_free(s);

	/* A folder cannot be read. */
	assert_int_equal(profile_load(folder.path, folder_at(&folder, "b"), &s, reason), -EIO);
	assert_non_null(strstr(reason, folder.path));

	/* The most there may be, and one byte more. */
	memset(big, '#', PROFILE_FILE_MAX + 1);
	memcpy(big, "[default]\n", 10);
	for (int more = 0; more < 2; more++) {
		file = fopen(folder_at(&folder, "b"), "w");
		assert_int_equal(
			fwrite(big, 1, (size_t)(PROFILE_FILE_MAX + more), file), PROFILE_FILE_MAX + more);
		fclose(file);
		assert_int_equal(profile_load(folder_at(&folder, "a"), folder_at(&folder, "b"), &s, reason),
			more ? -EINVAL : 0);
		if (!more)
			profile_free(s);
	}
	free(big);
	folder_remove(&folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
