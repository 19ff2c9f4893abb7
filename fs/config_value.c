/*
 * The grammars of option values. Nothing here looks at the clock, the locale or the machine.
 */
#include "fs/config_value.h"

#include <string.h>
#include <strings.h>

#include "render/range.h"

#define ACCOUNT_LEN    12
#define LABEL_MAX      63
#define BUCKET_MIN     3
#define URL_MAX        2048
#define NEAR_MAX       32 /* longer words than any option's are near to none */
#define NEAR_EDITS     2
#define NEAR_START_MIN 3 /* letters that must agree before a start counts */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alnum_lower(char c)
{
	return is_digit(c) || is_lower(c);
}

/* One or more digits at *p that fit into 64 bits; moves past them. */
static bool take_number(const char **p, uint64_t *ret)
{
	uint64_t value = 0;

	if (!is_digit(**p))
		return false;
	for (; is_digit(**p); (*p)++)
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(**p - '0'), &value))
			return false;
	*ret = value;
	return true;
}

bool config_value_count(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value;

	if (!take_number(&s, &value) || *s != '\0' || value < min || value > max)
		return false;
	*ret = value;
	return true;
}

bool config_value_size(const char *s, uint64_t *ret)
{
	static const char units[] = "kmgt";
	const char *unit;
	uint64_t value;

	if (!take_number(&s, &value))
		return false;
	unit = *s ? strchr(units, *s | 0x20) : NULL;
	if (unit) {
		int shift = 10 * (int)(unit - units + 1);

		if (value > (uint64_t)INT64_MAX >> shift)
			return false;
		value <<= shift;
		s++;
		if (strcasecmp(s, "ib") == 0)
			s += 2;
	}
	if (*s == 'b' || *s == 'B')
		s++;
	if (*s != '\0' || value > INT64_MAX)
		return false;
	*ret = value;
	return true;
}

bool config_value_umask(const char *s, mode_t *ret)
{
	mode_t value = 0;

	if (*s == '\0')
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '7')
			return false;
		value = value * 8 + (mode_t)(*s - '0');
		if (value > 0777)
			return false;
	}
	*ret = value;
	return true;
}

bool config_value_time(const char *s, int64_t now, bool last, int64_t *ret)
{
	size_t len = strlen(s);
	struct range_moment m;
	int64_t age;

	if (range_age(s, len, now, &age)) {
		*ret = now - age;
		return true;
	}
	if (!range_moment(s, len, &m) || m.unit < RANGE_DAY)
		return false;
	*ret = last ? m.last : m.first;
	return true;
}

bool config_value_is_account(const char *s)
{
	return strlen(s) == ACCOUNT_LEN && strspn(s, "0123456789") == ACCOUNT_LEN;
}

bool config_value_is_region(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > LABEL_MAX || !is_alnum_lower(s[0]) || !is_alnum_lower(s[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_alnum_lower(s[i]) && s[i] != '-')
			return false;
	return true;
}

/* Four numbers with dots between them. */
static bool looks_like_ipv4(const char *s)
{
	int dots = 0;

	for (; *s; s++) {
		if (*s == '.')
			dots++;
		else if (!is_digit(*s))
			return false;
	}
	return dots == 3;
}

static bool has_suffix(const char *s, size_t n, const char *suffix)
{
	size_t m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool config_value_is_bucket(const char *s)
{
	size_t n = strlen(s);

	if (n < BUCKET_MIN || n > LABEL_MAX || !is_alnum_lower(s[0]) || !is_alnum_lower(s[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_alnum_lower(s[i]) && s[i] != '-' && s[i] != '.')
			return false;
	/* Directory buckets answer another API, on other hosts. */
	return !strstr(s, "..") && !looks_like_ipv4(s) && strncmp(s, "xn--", 4) != 0 &&
	       !has_suffix(s, n, "--x-s3");
}

/* :PORT, or nothing. */
static bool is_port(const char *s, size_t n)
{
	unsigned port = 0;

	if (n == 0)
		return true;
	if (s[0] != ':' || n < 2 || n > 6)
		return false;
	for (size_t i = 1; i < n; i++) {
		if (!is_digit(s[i]))
			return false;
		port = port * 10 + (unsigned)(s[i] - '0');
	}
	return port >= 1 && port <= 65535;
}

/* HOST[:PORT], where an IPv6 address stands in brackets. */
static bool is_authority(const char *s, size_t n)
{
	size_t host = 0;

	if (n > 0 && s[0] == '[') {
		host = 1 + strspn(s + 1, "0123456789abcdefABCDEF:.");
		if (host < 3 || host >= n || s[host] != ']')
			return false;
		host++;
	} else {
		while (host < n && (is_alnum_lower(s[host] | 0x20) || s[host] == '-' || s[host] == '.' ||
					   s[host] == '_'))
			host++;
		if (host == 0 || s[0] == '.' || s[0] == '-')
			return false;
	}
	return is_port(s + host, n - host);
}

bool config_value_is_url(const char *s)
{
	if (strlen(s) > URL_MAX)
		return false;
	if (strncasecmp(s, "http://", 7) == 0)
		s += 7;
	else if (strncasecmp(s, "https://", 8) == 0)
		s += 8;
	else
		return false;
	for (const char *p = s; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr("?#@\\\"<>", *p))
			return false;
	return is_authority(s, strcspn(s, "/"));
}

bool config_value_is_text(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

/* Levenshtein's distance, one row of the table at a time. Both at most NEAR_MAX long. */
static size_t edits(const char *a, size_t n, const char *b, size_t m)
{
	size_t row[NEAR_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[m];
}

bool config_value_is_near(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);

	if (n > NEAR_MAX || m > NEAR_MAX)
		return false;
	if (n >= NEAR_START_MIN && n < m && memcmp(a, b, n) == 0)
		return true;
	/* Of a short word two letters are most of it. */
	return edits(a, n, b, m) <= (m > 4 ? NEAR_EDITS : 1);
}
