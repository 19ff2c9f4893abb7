/*
 * Node ids: what a node is, packed into 64 bits. Nothing is allocated for one, so the kernel may forget it at
 * any time.
 *
 *   63..60  kind
 *   fixed:    the number itself (NODE_ROOT is FUSE's 1)
 *   event:    object number << 28 | place in the object
 *   object:   object number
 *   facet:    filter << 8 | facet           by-FACET/ under a filter
 *   years, year, month, day:
 *             filter << 24 | date, a date being year << 9 | month << 5 | day of the month, 0 in the parts
 * that are not said; undated is NODE_UNDATED bucket:   number of the interned prefix
 *   rollup:   its version (fs/rollup.h)
 */
#ifndef FS_NODE_H
#define FS_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "render/key.h"

enum node_kind {
	NODE_FIXED,
	NODE_EVENT,
	NODE_OBJECT,
	NODE_FACET,
	NODE_YEARS, /* a VALUE directory, or events/ */
	NODE_YEAR,
	NODE_MONTH,
	NODE_DAY,
	NODE_BUCKET,
	NODE_ROLLUP,
};

enum node_fixed {
	NODE_ROOT = 1,
	NODE_README,
	NODE_ERRORS,
	NODE_TRAILFS,
	NODE_STATUS,
	NODE_METRICS,
	NODE_BY_ID,
	NODE_LIVE
};

#define NODE_ORDINAL_BITS 28
#define NODE_UNDATED      0xffffffu /* the date of undated/ */

static inline uint64_t node_make(enum node_kind kind, uint64_t rest)
{
	return (uint64_t)kind << 60 | rest;
}

static inline enum node_kind node_kind(uint64_t node)
{
	return (enum node_kind)(node >> 60);
}

static inline uint64_t node_rest(uint64_t node)
{
	return node & ((1ull << 60) - 1);
}

static inline uint64_t node_event(uint32_t object, uint32_t ordinal)
{
	return node_make(NODE_EVENT, (uint64_t)object << NODE_ORDINAL_BITS | ordinal);
}

static inline uint32_t node_object(uint64_t node)
{
	return (uint32_t)(node_kind(node) == NODE_EVENT ? node >> NODE_ORDINAL_BITS : node);
}

static inline uint32_t node_ordinal(uint64_t node)
{
	return (uint32_t)(node & ((1u << NODE_ORDINAL_BITS) - 1));
}

static inline uint64_t node_dated(enum node_kind kind, uint32_t filter, uint32_t date)
{
	return node_make(kind, (uint64_t)filter << 24 | date);
}

static inline uint32_t node_date(int year, int month, int mday)
{
	return (uint32_t)(year << 9 | month << 5 | mday);
}

static inline uint32_t node_date_of(uint64_t node)
{
	return (uint32_t)(node & 0xffffff);
}

/* Whether a node is a directory of events or of what leads to them, under a filter: a facet, years ... day.
 */
static inline bool node_has_filter(uint64_t node)
{
	return node_kind(node) >= NODE_FACET && node_kind(node) <= NODE_DAY;
}

/* Of such nodes. */
static inline uint32_t node_filter(uint64_t node)
{
	return (uint32_t)(node >> (node_kind(node) == NODE_FACET ? 8 : 24));
}

static inline bool node_is_dir(uint64_t node)
{
	return node == NODE_ROOT || node == NODE_TRAILFS || node == NODE_BY_ID ||
	       (node_kind(node) >= NODE_FACET && node_kind(node) <= NODE_BUCKET);
}

/* The days that a year, month or day node spans; false where there is no such date. undated: SEGMENT_UNDATED
 * twice. */
bool node_days(uint64_t node, int32_t *ret_first, int32_t *ret_last);

#endif
