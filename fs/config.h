/*
 * The command line (README: "Options") as a struct. Every long option is also an -o name=value.
 *
 * Immutable after config_parse().
 */
#ifndef FS_CONFIG_H
#define FS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum config_action {
	CONFIG_MOUNT,
	CONFIG_PRINT,
	CONFIG_HELP,
	CONFIG_VERSION
};

#define CONFIG_NEVER    0
#define CONFIG_LIST_MAX 256 /* --account, --log-region */

struct config {
	enum config_action action;
	const char *source;     /* s3://BUCKET[/PREFIX] as given, or an absolute path, resolved likewise */
	const char *mountpoint; /* absolute path, resolved before the daemon changes directory; CONFIG_MOUNT
				   only */
	const char *print_path; /* CONFIG_PRINT only */

	bool foreground, wait;
	int verbose; /* how many -v */

	/* What to see. Seconds since 1970; since = INT64_MIN, until = INT64_MAX: no limit. Both ends
	 * included. */
	int64_t since, until;
	const char **account, **log_region;
	size_t n_account, n_log_region;

	/* S3. bucket == NULL: the source is a directory. */
	const char *bucket, *prefix; /* prefix: ends in "/", or NULL */
	const char *endpoint_url, *region, *profile, *expected_bucket_owner, *ca_bundle;
	bool no_sign_request, request_payer, force_path_style;
	unsigned connections; /* 64 */

	unsigned timeout;      /* seconds, 60 */
	const char *cache_dir; /* absolute */
	uint64_t cache_size;   /* bytes, 10 GiB */
	bool offline;
	unsigned refresh; /* seconds, 300; CONFIG_NEVER */

	bool allow_other;
	uid_t uid;
	gid_t gid;
	mode_t dir_mode, file_mode; /* permission bits */
	const char *fuse_options;   /* further -o options for the kernel, comma-separated, or NULL */

	void *storage; /* what the strings above live in */
};

#define CONFIG_ERROR_MAX 512

/*
 * now: seconds since 1970, for ages such as 24h. 0; or -EINVAL with one line in error[] that says what is
 * wrong and what to write instead (a usage error); or -ENOMEM. On success config_clear() frees it.
 */
int config_parse(int argc, char *argv[], int64_t now, struct config *ret, char error[CONFIG_ERROR_MAX]);
void config_clear(struct config *config);

/* The text of -h. */
extern const char config_usage[];

#endif
