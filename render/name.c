/*
 * Values and events as file names, and back.
 *
 * A value is encoded in units: one byte as it is, one UTF-8 character (RFC 3629) as it is, or one byte as
 * %XX. Names are only ever cut between units. The encoding is canonical: a name is read by decoding it and
 * then asking whether the value has just that name.
 */
#include "render/name.h"

#include <string.h>

/* For XXH3_state_t on the stack: naming an event must not be able to fail. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "render/utf8.h"

#define HASH_LEN      16
#define TAIL_LEN      (1 + HASH_LEN)             /* ~ and the hash */
#define VALUE_CUT_MAX (NAME_LEN_MAX - TAIL_LEN)  /* 238 */
#define VALUE_CUT_MIN (VALUE_CUT_MAX - 3)        /* where a 4-byte character did not fit */
#define STEM_CUT_MAX  (NAME_STEM_MAX - TAIL_LEN) /* 225 */
#define STEM_MIN      (sizeof "HHMMSSZ_-_-" - 1)

/* What becomes of a byte that begins a unit. */
enum {
	PLAIN,
	ESCAPE,
	UTF8
};

static const unsigned char class_of[256] = {
	[0x00 ... 0x1f] = ESCAPE,
	['%'] = ESCAPE,
	['/'] = ESCAPE,
	[0x7f] = ESCAPE,
	[0x80 ... 0xc1] = ESCAPE,
	[0xc2 ... 0xf4] = UTF8,
	[0xf5 ... 0xff] = ESCAPE,
};

static void write_escape(unsigned char c, char *out)
{
	static const char hex[] = "0123456789ABCDEF";

	out[0] = '%';
	out[1] = hex[c >> 4];
	out[2] = hex[c & 15];
}

/*
 * Appends the encoded form of v, from its byte *pos on, to out[*len], which ends at cap. False where not all
 * of it fits: then the units that fit are written, and *pos says where to go on.
 */
static bool encode(struct value v, size_t *pos, char *out, size_t cap, size_t *len)
{
	const unsigned char *p = (const unsigned char *)v.p;
	size_t i = *pos, o = *len;

	if (!v.len) {
		if (o == cap)
			return false;
		out[(*len)++] = '%';
		return true;
	}
	while (i < v.len) {
		size_t run = 0, most = v.len - i < cap - o ? v.len - i : cap - o;
		if (i > 0 || p[0] != '.')
			while (run < most && class_of[p[i + run]] == PLAIN)
				run++;
		if (run) {
			memcpy(out + o, p + i, run);
			i += run;
			o += run;
			continue;
		}
		size_t unit = class_of[p[i]] == UTF8 ? utf8_length(v.p + i, v.len - i) : 0;
		if (cap - o < (unit ? unit : 3))
			break;
		if (unit) {
			memcpy(out + o, p + i, unit);
			i += unit;
			o += unit;
		} else {
			write_escape(p[i++], out + o);
			o += 3;
		}
	}
	*pos = i;
	*len = o;
	return i == v.len;
}

/* The last boundary between units at or before max, in an encoded form of more than max bytes. */
static size_t cut_at(const char *s, size_t max)
{
	size_t i = 0;

	for (;;) {
		unsigned char c = (unsigned char)s[i];
		/* A lone % is an empty value, in an event's name. */
		bool escape = c == '%' && s[i + 1] != '_';
		size_t unit = escape ? 3 : c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		if (i + unit > max)
			return i;
		i += unit;
	}
}

static void write_hash(uint64_t hash, char out[HASH_LEN])
{
	for (int i = HASH_LEN - 1; i >= 0; i--, hash >>= 4)
		out[i] = "0123456789abcdef"[hash & 15];
}

/* Cuts what stands in out and puts the tail in place. Returns the new length. */
static size_t cut(char *out, size_t max, uint64_t hash)
{
	size_t n = cut_at(out, max);

	out[n] = '~';
	write_hash(hash, out + n + 1);
	out[n + TAIL_LEN] = '\0';
	return n + TAIL_LEN;
}

static bool looks_cut(const char *name, size_t len)
{
	if (len < VALUE_CUT_MIN + TAIL_LEN || name[len - TAIL_LEN] != '~')
		return false;
	for (size_t i = len - HASH_LEN; i < len; i++)
		if (!(name[i] >= '0' && name[i] <= '9') && !(name[i] >= 'a' && name[i] <= 'f'))
			return false;
	return true;
}

size_t name_of_value(struct value v, char out[NAME_LEN_MAX + 1])
{
	size_t pos = 0, len = 0;

	if (!encode(v, &pos, out, NAME_LEN_MAX, &len) || looks_cut(out, len))
		return cut(out, VALUE_CUT_MAX, XXH3_64bits(v.p, v.len));
	out[len] = '\0';
	return len;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The bytes that an encoded form stands for. False for a broken escape. */
static bool decode(const char *name, size_t len, char *out, size_t *ret_len)
{
	size_t o = 0;

	if (len == 1 && name[0] == '%') {
		*ret_len = 0;
		return true;
	}
	for (size_t i = 0; i < len; i++) {
		if (name[i] != '%') {
			out[o++] = name[i];
			continue;
		}
		if (len - i < 3)
			return false;
		int high = hex_digit(name[i + 1]), low = hex_digit(name[i + 2]);
		if (high < 0 || low < 0)
			return false;
		out[o++] = (char)(high << 4 | low);
		i += 2;
	}
	*ret_len = o;
	return true;
}

enum name_says name_read(const char *name, size_t len, char *out, size_t *ret_len)
{
	char again[NAME_LEN_MAX + 1];
	size_t n;

	if (!len || len > NAME_LEN_MAX)
		return NAME_NONE;
	bool is_cut = looks_cut(name, len);
	if (is_cut)
		len -= TAIL_LEN;
	if (!decode(name, len, out, &n))
		return NAME_NONE;
	if (name_of_value((struct value){out, (uint32_t)n}, again) != len || memcmp(again, name, len) != 0)
		return NAME_NONE;
	if (is_cut)
		return NAME_HASH;
	*ret_len = n;
	return NAME_VALUE;
}

static void write_2digits(uint32_t n, char *out)
{
	out[0] = (char)('0' + n / 10 % 10);
	out[1] = (char)('0' + n % 10);
}

static void hash_encoded(XXH3_state_t *state, struct value v)
{
	char piece[1024];
	size_t pos = 0, len;
	bool done;

	do {
		len = 0;
		done = encode(v, &pos, piece, sizeof piece, &len);
		XXH3_64bits_update(state, piece, len);
	} while (!done);
}

/* Of a stem that is too long for any buffer. */
static uint64_t hash_stem(const char time[8], struct value event_name, struct value id)
{
	XXH3_state_t state;

	/* reset() reads the seed that stands in the state; only createState() would have set it. */
	XXH3_INITSTATE(&state);
	XXH3_64bits_reset(&state);
	XXH3_64bits_update(&state, time, 8);
	hash_encoded(&state, event_name);
	XXH3_64bits_update(&state, "_", 1);
	hash_encoded(&state, id);
	return XXH3_64bits_digest(&state);
}

size_t name_of_event(
	uint32_t second, struct value event_name, struct value id, uint64_t hash, char out[NAME_STEM_MAX + 1])
{
	char hash_id[HASH_LEN];
	size_t len = 8, pos = 0;

	if (!event_name.p)
		event_name = (struct value){"-", 1};
	if (!id.p) {
		write_hash(hash, hash_id);
		id = (struct value){hash_id, HASH_LEN};
	}
	write_2digits(second / 3600, out);
	write_2digits(second / 60 % 60, out + 2);
	write_2digits(second % 60, out + 4);
	out[6] = 'Z';
	out[7] = '_';
	if (!encode(event_name, &pos, out, NAME_STEM_MAX, &len) || len == NAME_STEM_MAX)
		return cut(out, STEM_CUT_MAX, hash_stem(out, event_name, id));
	out[len++] = '_';
	pos = 0;
	if (!encode(id, &pos, out, NAME_STEM_MAX, &len))
		return cut(out, STEM_CUT_MAX, hash_stem(out, event_name, id));
	out[len] = '\0';
	return len;
}

/* HHMMSSZ_ as a second of the day. */
static bool read_time(const char *s, uint32_t *ret_second)
{
	for (int i = 0; i < 6; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	uint32_t h = (uint32_t)((s[0] - '0') * 10 + s[1] - '0');
	uint32_t m = (uint32_t)((s[2] - '0') * 10 + s[3] - '0');
	uint32_t sec = (uint32_t)((s[4] - '0') * 10 + s[5] - '0');
	if (h > 23 || m > 59 || sec > 59 || s[6] != 'Z' || s[7] != '_')
		return false;
	*ret_second = h * 3600 + m * 60 + sec;
	return true;
}

/* Takes ~N off the end of a stem. */
static bool read_clash(const char *stem, size_t *len, uint32_t *ret_clash)
{
	const char *tilde = memrchr(stem, '~', *len);
	uint64_t n = 0;

	if (!tilde)
		return false;
	const char *p = tilde + 1, *end = stem + *len;
	if (p == end || end - p > 10 || *p == '0')
		return false;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	if (n < 2 || n > UINT32_MAX)
		return false;
	*ret_clash = (uint32_t)n;
	*len = (size_t)(tilde - stem);
	return true;
}

bool name_read_event(const char *name, size_t len, bool split, size_t *ret_stem_len, uint32_t *ret_clash,
	uint32_t *ret_second)
{
	static const char end[] = ".json";
	const size_t end_len = sizeof end - 1;
	uint32_t clash = 1, second;

	if (len < end_len || memcmp(name + len - end_len, end, end_len) != 0)
		return false;
	len -= end_len;
	if (split && !read_clash(name, &len, &clash))
		return false;
	if (len < STEM_MIN || len > NAME_STEM_MAX || !read_time(name, &second))
		return false;
	*ret_stem_len = len;
	*ret_clash = clash;
	*ret_second = second;
	return true;
}
