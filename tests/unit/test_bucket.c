/*
 * The bucket's hierarchy as names: by hand, and for random sets of keys that no two entries of a directory
 * have one name, that each name leads back to its entry, and that every object is there once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "fs/bucket.h"
#include "tests/made.h"

#define KEYS_MAX 64
#define KEY_MAX  700

struct fixture {
	struct object object[KEYS_MAX];
	char key[KEYS_MAX][KEY_MAX];
	struct keys *keys;
};

static bool reserved(const char *name)
{
	return !strcmp(name, "events") || !strcmp(name, "README") || !strcmp(name, "by-user");
}

static int by_key(const void *a, const void *b)
{
	return strcmp((*(const struct object *const *)a)->at.key, (*(const struct object *const *)b)->at.key);
}

static void add(struct fixture *x, const char *key)
{
	uint32_t n = x->keys->n;

	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(x->key[i], key))
			return;
	assert_true(n < KEYS_MAX && strlen(key) < KEY_MAX);
	memcpy(x->key[n], key, strlen(key) + 1);
	x->object[n] = (struct object){.number = n,
		.gunzip = key_is_gzip_json(key),
		.at = {.key = x->key[n], .mtime = 100 + (int64_t)n}};
	x->keys->object[x->keys->n++] = &x->object[n];
}

static void begin(struct fixture *x)
{
	x->keys = calloc(1, sizeof(*x->keys) + KEYS_MAX * sizeof(x->keys->object[0]));
	assert_non_null(x->keys);
	x->keys->refs = 1;
}

static void end(struct fixture *x)
{
	free(x->keys);
}

static struct fixture *make(size_t n, const char *const *key)
{
	static struct fixture x;

	begin(&x);
	for (size_t i = 0; i < n; i++)
		add(&x, key[i]);
	qsort(x.keys->object, x.keys->n, sizeof(x.keys->object[0]), by_key);
	return &x;
}

struct listing {
	uint32_t n;
	struct bucket_entry entry[KEYS_MAX];
};

static int collect(void *arg, const struct bucket_entry *e)
{
	struct listing *l = arg;

	assert_true(l->n < KEYS_MAX);
	l->entry[l->n++] = *e;
	return 0;
}

/* The names of a directory, one a line, a slash behind those of directories. */
static void expect_names(size_t n, const char *const *key, const char *prefix, const char *want)
{
	struct fixture *x = make(n, key);
	struct listing l = {0};
	char is[4096] = "";
	size_t len = 0;

	assert_int_equal(bucket_list(x->keys, prefix, strlen(prefix), reserved, collect, &l), 0);
	for (uint32_t i = 0; i < l.n; i++)
		len += (size_t)snprintf(
			is + len, sizeof(is) - len, "%s%s\n", l.entry[i].name, l.entry[i].object ? "" : "/");
	assert_string_equal(is, want);
	end(x);
}

#define NAMES(prefix, want, ...)                                                                             \
	do {                                                                                                 \
		const char *const listed_keys[] = {__VA_ARGS__};                                             \
		expect_names(sizeof(listed_keys) / sizeof(*listed_keys), listed_keys, prefix, want);         \
	} while (0)

static void folders_and_files(void **state)
{
	(void)state;
	NAMES("", "a-b\nb/\nc\n", "a-b", "b/c/d", "b/e", "c");
	NAMES("b/", "c/\ne\n", "a-b", "b/c/d", "b/e", "c");
	NAMES("b/c/", "d\n", "a-b", "b/c/d", "b/e", "c");
	/* The key order: a-b stands between a and a/. */
	NAMES("", "a%\na-b\na/\n", "a", "a-b", "a/x");
}

static void folder_keys_are_folders(void **state)
{
	(void)state;
	NAMES("", "a/\n", "a/");
	NAMES("a/", "", "a/");
	NAMES("a/", "b\n", "a/", "a/b");
	NAMES("", "a%\na/\n", "a", "a/");
}

static void empty_components_have_a_name(void **state)
{
	(void)state;
	NAMES("", "%/\na/\n", "/x", "a//b");
	NAMES("/", "x\n", "/x", "a//b");
	NAMES("a/", "%/\nc\n", "a//b", "a/c");
	NAMES("a//", "b\n", "a//b", "a/c");
	NAMES("a/", "%/\n", "a//");
}

static void compressed_json_loses_its_ending(void **state)
{
	(void)state;
	NAMES("", "x.json\ny.gz\nz.json\n", "x.json.gz", "y.gz", "z.json");
	NAMES("", "x.json\nx.json%\n", "x.json", "x.json.gz");
	NAMES("", "x.json%\nx.json/\n", "x.json/a", "x.json.gz");
	NAMES("", "x.json%\nx.json%%\nx.json/\n", "x.json", "x.json.gz", "x.json/a");
}

static void odd_bytes_are_encoded(void **state)
{
	(void)state;
	NAMES("", "%2E/\na%0Ab\na%25b\n\xc3\xa9\n%FF\n", "./x", "a%b", "a\nb", "\xc3\xa9", "\xff");
}

static void our_names_at_the_top_are_encoded(void **state)
{
	(void)state;
	NAMES("", "%52EADME\n%62y-user/\n%65vents%\n%65vents/\n", "README", "by-user/x", "events",
		"events/x");
	NAMES("d/", "README\nevents/\n", "d/README", "d/events/x");
	NAMES("", "%2552EADME\n%52EADME\n", "%52EADME", "README");
}

static void no_such_directory(void **state)
{
	static const char *const key[] = {"a/b", "ab"};
	struct fixture *x = make(2, key);
	struct listing l = {0};

	(void)state;
	assert_int_equal(bucket_list(x->keys, "b/", 2, reserved, collect, &l), -ENOENT);
	assert_int_equal(bucket_list(x->keys, "a/b/", 4, reserved, collect, &l), -ENOENT);
	x->keys->n = 0;
	assert_int_equal(bucket_list(x->keys, "", 0, reserved, collect, &l), 0);
	assert_int_equal(l.n, 0);
	end(x);
}

static int refuse(void *arg, const struct bucket_entry *e)
{
	(void)e;
	++*(int *)arg;
	return -ENOMEM;
}

static void a_visitor_ends_the_listing(void **state)
{
	static const char *const key[] = {"a", "b"};
	struct fixture *x = make(2, key);
	int calls = 0;

	(void)state;
	assert_int_equal(bucket_list(x->keys, "", 0, reserved, refuse, &calls), -ENOMEM);
	assert_int_equal(calls, 1);
	end(x);
}

static void no_entry_has_such_a_name(void **state)
{
	static const char *const key[] = {"a", "b/c", "x.json.gz", "y.gz", "README", "events/x"};
	static const char *const name[] = {"", "%", "%%", "A", "a%", "b%", "b/", "x.json.gz", "x.json%", "y",
		"README", "events", "%52EADME%", "%65vents%", "%72EADME", "%61", "b/c", "%5", "%+5EADME"};
	struct fixture *x = make(6, key);
	struct bucket_entry e;

	(void)state;
	for (size_t i = 0; i < sizeof(name) / sizeof(*name); i++)
		if (bucket_find(x->keys, "", 0, reserved, name[i], &e) != -ENOENT)
			fail_msg("found %s", name[i]);
	assert_int_equal(bucket_find(x->keys, "", 0, reserved, "x.json", &e), 0);
	assert_int_equal(bucket_find(x->keys, "", 0, reserved, "%52EADME", &e), 0);
	end(x);
}

/* Nothing is looked at behind the end of a key: AddressSanitizer sees it where the key has its own memory. */
static void a_name_with_a_nul_in_it_is_none(void **state)
{
	const char *const only[] = {"a.jsonl"};
	struct fixture *x = make(1, only);
	struct bucket_entry e;
	char *key = strdup(only[0]);

	(void)state;
	assert_non_null(key);
	x->object[0].at.key = key;
	assert_int_equal(bucket_find(x->keys, "", 0, reserved, "a.jsonl%00000", &e), -ENOENT);
	assert_int_equal(bucket_find(x->keys, "", 0, reserved, "a.jsonl", &e), 0);
	free(key);
	end(x);
}

static void newest_below(void **state)
{
	static const char *const key[] = {"a/x", "a/y", "b"};
	struct fixture *x = make(3, key);

	(void)state;
	assert_int_equal(bucket_mtime(x->keys, "", 0), 102);
	assert_int_equal(bucket_mtime(x->keys, "a/", 2), 101);
	assert_int_equal(bucket_mtime(x->keys, "c/", 2), 0);
	end(x);
}

/* ---- at random ---- */

/* Names of all lengths about the one at which they are cut, ending in a character of each size. */
static size_t long_part(uint64_t *seed, char *out)
{
	static const char *const unit[] = {"z", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\x01"};
	const char *u = unit[made_draw(seed, 5)];
	size_t ahead = 225 + made_draw(seed, 16), len = 0, n = 5 + made_draw(seed, 20);

	memset(out, 'l', ahead);
	len = ahead;
	for (size_t i = 0; i < n; i++) {
		memcpy(out + len, u, strlen(u));
		len += strlen(u);
	}
	return len;
}

static void random_key(uint64_t *seed, char *out)
{
	static const char *const part[] = {"a", "b", "", "x.json", "x.json.gz", "y.json.gz", "y.json",
		"README", "events", ".", "..", "%", "a%", "\xff", "by-user", "x.json%", "%52EADME"};
	size_t len = 0;

	for (size_t n = 1 + made_draw(seed, 3); n; n--) {
		if (made_draw(seed, 5) == 0) {
			len += long_part(seed, out + len);
			if (made_draw(seed, 3) == 0) {
				memcpy(out + len, ".json.gz", 8);
				len += 8;
			}
		} else {
			const char *p = part[made_draw(seed, sizeof(part) / sizeof(*part))];

			memcpy(out + len, p, strlen(p));
			len += strlen(p);
		}
		if (n > 1 || made_draw(seed, 6) == 0)
			out[len++] = '/';
	}
	if (!len)
		out[len++] = 'k';
	out[len] = '\0';
}

/* Counts the objects below a directory, and compares its listing with finding each name. */
static uint32_t walk(const struct fixture *x, const char *prefix, size_t prefix_len)
{
	struct listing *l = calloc(1, sizeof(*l));
	uint32_t objects = 0;

	assert_non_null(l);
	assert_int_equal(bucket_list(x->keys, prefix, prefix_len, reserved, collect, l), 0);
	for (uint32_t i = 0; i < l->n; i++) {
		const struct bucket_entry *e = &l->entry[i];
		struct bucket_entry found;

		assert_true(e->name[0] && !strchr(e->name, '/') && strcmp(e->name, ".") != 0 &&
			    strcmp(e->name, "..") != 0);
		assert_false(!prefix_len && reserved(e->name));
		for (uint32_t k = 0; k < i; k++)
			assert_string_not_equal(e->name, l->entry[k].name);
		if (bucket_find(x->keys, prefix, prefix_len, reserved, e->name, &found))
			fail_msg("%s is listed and not found", e->name);
		assert_string_equal(found.name, e->name);
		assert_ptr_equal(found.object, e->object);
		assert_int_equal(found.prefix_len, e->prefix_len);
		if (e->object) {
			objects++;
			continue;
		}
		assert_memory_equal(found.prefix, e->prefix, e->prefix_len);
		objects += walk(x, e->prefix, e->prefix_len);
	}
	free(l);
	return objects;
}

static void every_name_leads_back(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		uint64_t sequence = seed * 2654435761u;
		struct fixture *x = make(0, NULL);
		uint32_t n = 1 + (uint32_t)made_draw(&sequence, 40), files = 0;

		while (n--) {
			char key[KEY_MAX * 2];

			random_key(&sequence, key);
			if (strlen(key) < KEY_MAX)
				add(x, key);
		}
		qsort(x->keys->object, x->keys->n, sizeof(x->keys->object[0]), by_key);
		for (uint32_t i = 0; i < x->keys->n; i++) {
			const char *key = x->keys->object[i]->at.key;

			files += key[strlen(key) - 1] != '/';
		}
		assert_int_equal(walk(x, "", 0), files);
		end(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folders_and_files),
		cmocka_unit_test(folder_keys_are_folders),
		cmocka_unit_test(empty_components_have_a_name),
		cmocka_unit_test(compressed_json_loses_its_ending),
		cmocka_unit_test(odd_bytes_are_encoded),
		cmocka_unit_test(our_names_at_the_top_are_encoded),
		cmocka_unit_test(no_such_directory),
		cmocka_unit_test(a_visitor_ends_the_listing),
		cmocka_unit_test(no_entry_has_such_a_name),
		cmocka_unit_test(a_name_with_a_nul_in_it_is_none),
		cmocka_unit_test(newest_below),
		cmocka_unit_test(every_name_leads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
