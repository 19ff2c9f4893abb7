/*
 * Any bytes as what names come from and what they say: a bucket's key, a value, the name of an event, a range
 * of time. What is made of a value is a file name, and says the value again.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "render/key.h"
#include "render/name.h"
#include "render/range.h"

#define NOW 1750000000 /* 2025-06-15 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool right)
{
	if (!right)
		abort();
}

static bool is_within(struct value v, const char *text, size_t len)
{
	return !v.p || (v.p >= text && v.p + v.len <= text + len);
}

static void as_key(const char *key, size_t len)
{
	struct key_info k = key_parse(key);
	int year, month, mday;
	int32_t day;

	must(is_within(k.account, key, len) && is_within(k.region, key, len));
	must(!k.account.p || k.account.len == 12);
	must(!key_is_gzip_json(key) || key_has_log_name(key));
	if (k.day != KEY_NO_DAY) {
		day_to_date(k.day, &year, &month, &mday);
		must(date_to_day(year, month, mday, &day) && day == k.day);
	}
}

static void as_value(const char *text, size_t len)
{
	char name[NAME_LEN_MAX + 1], *back = malloc(len + NAME_LEN_MAX);
	size_t n = name_of_value((struct value){text, (uint32_t)len}, name), back_len = 0;
	enum name_says says;

	must(back && n >= 1 && n <= NAME_LEN_MAX && name[n] == '\0' && !memchr(name, '\0', n));
	must(!memchr(name, '/', n) && name[0] != '.');
	for (size_t i = 0; i < n; i++)
		must((unsigned char)name[i] >= ' ' && name[i] != 0x7f);
	says = name_read(name, n, back, &back_len);
	must(says == NAME_VALUE ? back_len == len && memcmp(back, text, len) == 0 : says == NAME_HASH);
	free(back);
}

/* A name that somebody typed: at most one value has it. */
static void as_name(const char *text, size_t len)
{
	char name[NAME_LEN_MAX + 1], *out = malloc(len + 1);
	size_t n = 0, stem;
	uint32_t clash, second;

	must(out);
	if (name_read(text, len, out, &n) == NAME_VALUE)
		must(n <= len && name_of_value((struct value){out, (uint32_t)n}, name) == len &&
			memcmp(name, text, len) == 0);
	free(out);
	for (int split = 0; split < 2; split++)
		if (name_read_event(text, len, split, &stem, &clash, &second))
			must(stem <= len && clash >= 1 && (split ? clash >= 2 : clash == 1) &&
				second < 86400);
}

static void as_time(const char *text, size_t len)
{
	struct range_moment m;
	struct range r;
	int64_t age;

	must(!range_moment(text, len, &m) || m.first <= m.last);
	must(!range_age(text, len, NOW, &age) || age >= 0);
	must(!range_read(text, len, NOW, &r) || r.from <= r.until);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	as_key(text, strlen(text));
	as_value(text, size);
	as_name(text, size);
	as_time(text, size);
	free(text);
	return 0;
}
