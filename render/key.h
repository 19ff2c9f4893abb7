/*
 * What an object's key says (layouts: docs.aws.amazon.com/awscloudtrail, "Finding your CloudTrail log
 * files"): [PREFIX/]AWSLogs/[o-ID/]ACCOUNT/CloudTrail[-KIND]/REGION/YYYY/MM/DD/NAME Pure, thread-safe.
 */
#ifndef RENDER_KEY_H
#define RENDER_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "render/event.h"

enum key_kind {
	KEY_PLAIN, /* not in a layout that we know */
	KEY_LOG, /* in CloudTrail, CloudTrail-Insight, CloudTrail-NetworkActivity or CloudTrail-Aggregated */
	KEY_DIGEST,  /* in CloudTrail-Digest */
	KEY_SERVICE, /* another service's, under AWSLogs */
};

#define KEY_NO_DAY INT32_MIN

struct key_info {
	enum key_kind kind;
	struct value account; /* 12 digits, borrowed from the key; or absent */
	struct value region;  /* or absent */
	int32_t day;          /* days since 1970-01-01 of the folder (or file name), or KEY_NO_DAY */
};

/* Always succeeds: a key that is not understood is KEY_PLAIN with nothing known. */
struct key_info key_parse(const char *key);

/* Ends in .json.gz: shown inflated, as .json. */
bool key_is_gzip_json(const char *key);

/* Ends in .json, .json.gz or .jsonl. */
bool key_has_log_name(const char *key);

/* Days since 1970-01-01 of a proleptic Gregorian date; false where there is no such day (years 1-9999). And
 * back. */
bool date_to_day(int year, int month, int mday, int32_t *ret_day);
void day_to_date(int32_t day, int *ret_year, int *ret_month, int *ret_mday);

#endif
