/*
 * The loops over columns. Each goes by blocks of a fixed size, because that is what gcc -O2 turns into vector
 * instructions; a block without a hit costs a few of them.
 */
#include "fs/store/segment_column.h"

#define BLOCK 64

/* find_N, find_last_N, select_N, exceeds_N and falls_N for numbers of N bits. */
#define LOOPS(bits)                                                                                          \
	static bool block_has_##bits(const uint##bits##_t *p, uint##bits##_t value)                          \
	{                                                                                                    \
		uint##bits##_t any = 0;                                                                      \
		for (int i = 0; i < BLOCK; i++)                                                              \
			any |= (uint##bits##_t)(p[i] == value);                                              \
		return any;                                                                                  \
	}                                                                                                    \
	static uint32_t find_##bits(                                                                         \
		const uint##bits##_t *p, uint##bits##_t value, uint32_t first, uint32_t end)                 \
	{                                                                                                    \
		uint32_t i = first;                                                                          \
		while (end - i >= BLOCK && !block_has_##bits(p + i, value))                                  \
			i += BLOCK;                                                                          \
		while (i < end && p[i] != value)                                                             \
			i++;                                                                                 \
		return i;                                                                                    \
	}                                                                                                    \
	static uint32_t find_last_##bits(                                                                    \
		const uint##bits##_t *p, uint##bits##_t value, uint32_t first, uint32_t end)                 \
	{                                                                                                    \
		uint32_t i = end;                                                                            \
		while (i - first >= BLOCK && !block_has_##bits(p + i - BLOCK, value))                        \
			i -= BLOCK;                                                                          \
		while (i > first && p[i - 1] != value)                                                       \
			i--;                                                                                 \
		return i > first ? i - 1 : end;                                                              \
	}                                                                                                    \
	static uint32_t select_##bits(                                                                       \
		const uint##bits##_t *p, uint##bits##_t value, uint32_t first, uint32_t end, uint32_t *out)  \
	{                                                                                                    \
		uint32_t n = 0, i = first;                                                                   \
		while (i < end) {                                                                            \
			uint32_t stop = end - i < BLOCK ? end : i + BLOCK;                                   \
			if (stop - i == BLOCK && !block_has_##bits(p + i, value)) {                          \
				i = stop;                                                                    \
				continue;                                                                    \
			}                                                                                    \
			for (; i < stop; i++) {                                                              \
				out[n] = i;                                                                  \
				n += p[i] == value;                                                          \
			}                                                                                    \
		}                                                                                            \
		return n;                                                                                    \
	}                                                                                                    \
	static bool block_exceeds_##bits(const uint##bits##_t *p, uint##bits##_t max)                        \
	{                                                                                                    \
		uint##bits##_t any = 0;                                                                      \
		for (int i = 0; i < BLOCK; i++)                                                              \
			any |= (uint##bits##_t)(p[i] > max);                                                 \
		return any;                                                                                  \
	}                                                                                                    \
	static bool exceeds_##bits(const uint##bits##_t *p, uint32_t n, uint##bits##_t max)                  \
	{                                                                                                    \
		bool any = false;                                                                            \
		uint32_t i = 0;                                                                              \
		for (; n - i >= BLOCK; i += BLOCK)                                                           \
			any |= block_exceeds_##bits(p + i, max);                                             \
		for (; i < n; i++)                                                                           \
			any |= p[i] > max;                                                                   \
		return any;                                                                                  \
	}                                                                                                    \
	static bool block_falls_##bits(const uint##bits##_t *p)                                              \
	{                                                                                                    \
		uint##bits##_t any = 0;                                                                      \
		for (int i = 0; i < BLOCK; i++)                                                              \
			any |= (uint##bits##_t)(p[i] > p[i + 1]);                                            \
		return any;                                                                                  \
	}                                                                                                    \
	static bool falls_##bits(const uint##bits##_t *p, uint32_t n)                                        \
	{                                                                                                    \
		bool any = false;                                                                            \
		uint32_t i = 0;                                                                              \
		for (; n - i > BLOCK; i += BLOCK)                                                            \
			any |= block_falls_##bits(p + i);                                                    \
		for (; i + 1 < n; i++)                                                                       \
			any |= p[i] > p[i + 1];                                                              \
		return any;                                                                                  \
	}

LOOPS(8)
LOOPS(16)
LOOPS(32)

static bool exceeds_24(const uint8_t *p, uint32_t n, uint32_t max)
{
	bool any = false;
	for (uint32_t i = 0; i < n; i++, p += 3)
		any |= (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16) > max;
	return any;
}

void column_fit(uint32_t min, uint32_t max, bool plain, struct column *c)
{
	uint32_t range = plain ? max : max - min;
	c->base = plain && min != max ? 0 : min;
	if (min == max)
		c->width = 0;
	else if (range <= UINT8_MAX)
		c->width = 1;
	else if (range <= UINT16_MAX)
		c->width = 2;
	else
		c->width = range <= 0xffffff && !plain ? 3 : 4;
}

bool column_is_plain(const struct column *c)
{
	return c->width == 0 || (c->base == 0 && c->width != 3);
}

void column_put_many(const struct column *c, uint32_t first, const uint32_t *value, uint32_t n)
{
	uint8_t *p8 = c->p + first;
	uint16_t *p16 = (uint16_t *)(void *)c->p + first;
	uint32_t *p32 = (uint32_t *)(void *)c->p + first;

	if (c->width == 1)
		for (uint32_t i = 0; i < n; i++)
			p8[i] = (uint8_t)(value[i] - c->base);
	else if (c->width == 2)
		for (uint32_t i = 0; i < n; i++)
			p16[i] = (uint16_t)(value[i] - c->base);
	else if (c->width == 4)
		for (uint32_t i = 0; i < n; i++)
			p32[i] = value[i] - c->base;
	else
		for (uint32_t i = 0; i < n; i++)
			column_put(c, first + i, value[i]);
}

bool column_below(const struct column *c, uint32_t n, uint32_t limit)
{
	if (n == 0)
		return true;
	if (c->base >= limit)
		return false;
	uint32_t max = limit - 1 - c->base; /* of what is stored */
	if (c->width < 4 && max >> (8 * c->width) != 0)
		return true;
	switch (c->width) {
	case 0:
		return true;
	case 1:
		return !exceeds_8(c->p, n, (uint8_t)max);
	case 2:
		return !exceeds_16((const void *)c->p, n, (uint16_t)max);
	case 3:
		return !exceeds_24(c->p, n, max);
	default:
		return !exceeds_32((const void *)c->p, n, max);
	}
}

bool column_ascends(const struct column *c, uint32_t n)
{
	switch (c->width) {
	case 0:
		return true;
	case 1:
		return !falls_8(c->p, n);
	case 2:
		return !falls_16((const void *)c->p, n);
	default:
		return !falls_32((const void *)c->p, n);
	}
}

/* Whether the column's numbers are wide enough for value at all. */
static bool can_hold(const struct column *c, uint32_t value)
{
	return c->width == 0 ? c->base == value : c->width == 4 || value >> (8 * c->width) == 0;
}

uint32_t column_find(const struct column *c, uint32_t value, uint32_t first, uint32_t end)
{
	if (!can_hold(c, value))
		return end;
	switch (c->width) {
	case 0:
		return first;
	case 1:
		return find_8(c->p, (uint8_t)value, first, end);
	case 2:
		return find_16((const void *)c->p, (uint16_t)value, first, end);
	default:
		return find_32((const void *)c->p, value, first, end);
	}
}

uint32_t column_find_last(const struct column *c, uint32_t value, uint32_t first, uint32_t end)
{
	if (!can_hold(c, value) || first == end)
		return end;
	switch (c->width) {
	case 0:
		return end - 1;
	case 1:
		return find_last_8(c->p, (uint8_t)value, first, end);
	case 2:
		return find_last_16((const void *)c->p, (uint16_t)value, first, end);
	default:
		return find_last_32((const void *)c->p, value, first, end);
	}
}

uint32_t column_select(const struct column *c, uint32_t value, uint32_t first, uint32_t end, uint32_t *out)
{
	if (!can_hold(c, value))
		return 0;
	switch (c->width) {
	case 0:
		for (uint32_t i = first; i < end; i++)
			out[i - first] = i;
		return end - first;
	case 1:
		return select_8(c->p, (uint8_t)value, first, end, out);
	case 2:
		return select_16((const void *)c->p, (uint16_t)value, first, end, out);
	default:
		return select_32((const void *)c->p, value, first, end, out);
	}
}
