/*
 * What may stand after an option: sizes, times, counts, names of buckets and accounts. Each takes a whole
 * string and says whether it is one; *ret is set only then.
 *
 * Pure, thread-safe.
 */
#ifndef FS_CONFIG_VALUE_H
#define FS_CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Decimal digits, min to max included. */
bool config_value_count(const char *s, uint64_t min, uint64_t max, uint64_t *ret);

/* Bytes: digits, then nothing, K, M, G or T (powers of 1,024), then nothing, B or iB. Any case. At most what
 * an off_t holds. */
bool config_value_size(const char *s, uint64_t *ret);

/* Octal, 0 to 0777. */
bool config_value_umask(const char *s, mode_t *ret);

/*
 * A moment, as seconds since 1970: YYYY-MM-DD[Thh[:mm[:ss]]][Z], always UTC; or an age, digits and one of s m
 * h d w, back from now. What is not written is its first second, or with `last` its last one.
 */
bool config_value_time(const char *s, int64_t now, bool last, int64_t *ret);

/* 12 digits. */
bool config_value_is_account(const char *s);

/* Lower-case letters, digits and inner hyphens, at most 63: it becomes a label of a host name. */
bool config_value_is_region(const char *s);

/* As in the Amazon S3 User Guide, "General purpose bucket naming rules". The looser names that us-east-1 gave
 * out before 2018 are refused: CloudTrail does not deliver to them. */
bool config_value_is_bucket(const char *s);

/* http:// or https://, a host name or address, and perhaps a port and a path; no user, query or fragment. */
bool config_value_is_url(const char *s);

/* Not empty, no control characters. */
bool config_value_is_text(const char *s);

/* Whether somebody who wrote a may have meant b: at most two letters differ, or it is the start of b. */
bool config_value_is_near(const char *a, const char *b);

#endif
