/*
 * A page of ListObjectsV2 (docs.aws.amazon.com, API reference), with encoding-type=url or without, from AWS
 * and from those who speak its dialects.
 *
 * Pure.
 */
#ifndef S3_LIST_XML_H
#define S3_LIST_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "s3/s3.h"

#define LIST_TOKEN_MAX  4096
#define LIST_REASON_MAX 400

struct list_page {
	bool truncated;
	char token[LIST_TOKEN_MAX]; /* NextContinuationToken, decoded from XML; "" */
	size_t keys, prefixes;
};

/*
 * Calls the sink for each entry, in the page's order, when all of the page was read well; before that, what
 * the page's keys alone say of their order, whatever it is. -EBADMSG: not such
 * a page, cut off, a key over S3_KEY_MAX bytes or with a NUL, a size that is no number, an entity bomb...;
 * reason says which, and the sink was not called. A negative return of the sink ends it and is
 * returned, with an empty reason. Keys are decoded once where EncodingType is url.
 */
int list_xml_parse(const char *data, size_t len, const struct s3_list_sink *sink, struct list_page *ret,
	char reason[LIST_REASON_MAX]);

/* "2025-06-19T09:10:23.000Z", or with another offset, to ns since 1970; INT64_MIN where it is no time. A time
 * before 1970 (0001-01-01 is what some write for none) is 1970, one after 2200 the end of 2200. */
int64_t list_xml_time(const char *text);

#endif
