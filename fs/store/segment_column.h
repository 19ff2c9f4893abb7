/*
 * A column of a segment: whole numbers of 0 to 4 bytes each, with a base that is added to all of them. Width
 * 0 means that every row holds the base. The loops over columns, one for each width, are here.
 *
 * Pure, thread-safe. Places are not checked.
 */
#ifndef FS_STORE_SEGMENT_COLUMN_H
#define FS_STORE_SEGMENT_COLUMN_H

#include <stdbool.h>
#include <stdint.h>

struct column {
	uint8_t *p; /* aligned to 4 bytes; little-endian */
	uint32_t base;
	uint32_t width; /* bytes: 0, 1, 2, 3 or 4; 3 only where column_is_plain() is not asked for */
};

/* The width for what lies between min and max, and its base. plain: base 0 (unless the width is 0) and no
 * width 3, so that the loops below can compare stored numbers. */
void column_fit(uint32_t min, uint32_t max, bool plain, struct column *c);
bool column_is_plain(const struct column *c);

static inline uint32_t column_get(const struct column *c, uint32_t i)
{
	switch (c->width) {
	case 0:
		return c->base;
	case 1:
		return c->base + c->p[i];
	case 2:
		return c->base + ((const uint16_t *)(const void *)c->p)[i];
	case 3: {
		const uint8_t *p = c->p + (uint64_t)i * 3;
		return c->base + (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16);
	}
	default:
		return c->base + ((const uint32_t *)(const void *)c->p)[i];
	}
}

static inline void column_put(const struct column *c, uint32_t i, uint32_t value)
{
	uint32_t v = value - c->base;
	switch (c->width) {
	case 0:
		break;
	case 1:
		c->p[i] = (uint8_t)v;
		break;
	case 2:
		((uint16_t *)(void *)c->p)[i] = (uint16_t)v;
		break;
	case 3: {
		uint8_t *p = c->p + (uint64_t)i * 3;
		p[0] = (uint8_t)v;
		p[1] = (uint8_t)(v >> 8);
		p[2] = (uint8_t)(v >> 16);
		break;
	}
	default:
		((uint32_t *)(void *)c->p)[i] = v;
	}
}

/* Puts n numbers, from place `first` on. */
void column_put_many(const struct column *c, uint32_t first, const uint32_t *value, uint32_t n);

/* Whether all of the first n are below limit, before base and stored number are cut to 32 bits. */
bool column_below(const struct column *c, uint32_t n, uint32_t limit);

/* Plain columns only. Whether none of the first n is greater than its successor. */
bool column_ascends(const struct column *c, uint32_t n);

/* Plain columns only. The first place of [first, end) that holds value, or end. */
uint32_t column_find(const struct column *c, uint32_t value, uint32_t first, uint32_t end);

/* Plain columns only. The last place of [first, end) that holds value, or end. */
uint32_t column_find_last(const struct column *c, uint32_t value, uint32_t first, uint32_t end);

/* Plain columns only. The places of [first, end) that hold value, ascending, to out (room for end - first).
 * Returns how many. */
uint32_t column_select(const struct column *c, uint32_t value, uint32_t first, uint32_t end, uint32_t *out);

#endif
