/*
 * What source_s3.c and source_s3_list.c share.
 */
#ifndef FS_SOURCE_S3_PRIVATE_H
#define FS_SOURCE_S3_PRIVATE_H

#include <pthread.h>

#include "fs/source.h"
#include "fs/store/listings.h"
#include "s3/s3.h"

/* Strings of its own. */
struct strings {
	char **at;
	size_t n, room;
};

struct source_s3 {
	struct source base;
	struct s3 *s3;
	char *prefix;              /* of all keys; "" or ends in '/' */
	size_t cut;                /* its bytes that keys as shown lack */
	unsigned at_once;          /* listings */
	struct listings *listings; /* borrowed; NULL: none are kept */

	pthread_mutex_t lock; /* a leaf; guards what follows */
	bool discovered;
	bool unordered;         /* it has listed in no order */
	struct strings regions; /* …/AWSLogs/…/REGION/: the prefixes above days that were found last */
	char message[SOURCE_MESSAGE_MAX];
};

/* Takes s over: false, and it is freed, when there is no memory or s is NULL. */
bool strings_add(struct strings *list, char *s);
void strings_clear(struct strings *list);

uint64_t source_s3_tag(const char *etag);
void source_s3_say(struct source_s3 *s, const char *message);

int source_s3_list(
	struct source *base, int32_t day, const struct source_filter *f, const struct source_sink *sink);

#endif
