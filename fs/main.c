/*
 * The composition root: reads the options, builds the stack, serves or prints, takes it down.
 *
 *   source ◀── follow ──▶ catalog ◀── days, view ◀── tree ◀── mount | print
 *     ▲                                               │
 *     └── reader ◀── rollups, live ◀──────────────────┘
 *
 * What changes below (the callbacks of catalog, reader, rollups and live) wakes what waits above: woken().
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fs/clock.h"
#include "fs/config.h"
#include "fs/confine.h"
#include "fs/daemon.h"
#include "fs/fault.h"
#include "fs/live.h"
#include "fs/log.h"
#include "fs/memory.h"
#include "fs/mount.h"
#include "fs/mountpoint.h"
#include "fs/print.h"
#include "fs/progress.h"
#include "fs/rollup.h"
#include "fs/source_cached.h"
#include "fs/store/follow.h"
#include "fs/store/large.h"
#include "fs/warden.h"
#include "s3/s3.h"

#define END_SECONDS 4                  /* for the end, however the source or the kernel hangs */
#define LISTED      (2 * CLOCK_SECOND) /* that the parent waits for the first listing, to say what is to come */
#define PROGRESS    (CLOCK_SECOND / 2)
#define TEXT_MAX    1024
/* Of the memory that there may be: for one large object; for each kind of inflated objects; for one that is
 * inflated, the listings, each kind of what belongs to rollups. */
#define LARGE_SHARE 4
#define HELD_SHARE  8
#define KEPT_SHARE  16

enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2
};

struct app {
	const struct config *config;
	char **argv;
	struct warden *warden;
	struct s3_helper helper; /* the same, for the bucket's side */
	char unconfined[CONFINE_TEXT_MAX];
	const char *ca_bundle;
	struct source_filter filter;
	struct source *source;
	struct cache *cache;
	struct packs *packs; /* of a bucket */
	struct listings *listings;
	struct catalog *catalog;
	struct days *days;
	struct view *view;
	struct follow *follow;
	struct reader *reader;
	struct rollups *rollups;
	struct live *live;
	struct tree *tree;
	struct mount *mount; /* or print */
	struct print *print;

	struct daemon daemon;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t wakes;
	bool ending;
	atomic_int status;
	pthread_t signals, herald;
};

/* ---- the end that cannot be missed ---- */

static struct {
	const char *volatile mountpoint; /* NULL: not mounted */
	const struct warden *volatile warden;
	volatile sig_atomic_t status;
} last_resort;

static void detach(const struct warden *w, const char *mountpoint)
{
	if (w == NULL || !warden_detach(w))
		mountpoint_detach(mountpoint);
}

static void detach_last(void)
{
	if (last_resort.mountpoint != NULL)
		detach(last_resort.warden, last_resort.mountpoint);
}

/* SIGALRM: what should have ended hangs (a dead disk, a dead network mount below the source). */
static void give_up(int signal)
{
	(void)signal;
	detach_last();
	_exit(last_resort.status);
}

static void end_in_time(void)
{
	static atomic_flag begun = ATOMIC_FLAG_INIT;
	if (!atomic_flag_test_and_set(&begun))
		alarm(END_SECONDS);
}

/* ---- what is logged ---- */

static void set_log_level(const struct config *c, enum log_level level)
{
	int more = (int)level + c->verbose;
	log_set_level(more > LOG_LEVEL_DEBUG ? LOG_LEVEL_DEBUG : (enum log_level)more);
}

/* In front and before the mount is live, or in place of one, the log is for a person who waits for one
 * answer: what objects are damaged is in ERRORS. */
static void log_in_front(const struct config *c)
{
	if (c->action == CONFIG_PRINT || !c->foreground)
		set_log_level(c, LOG_LEVEL_ERROR);
}

/* ---- waking ---- */

static void woken(void *arg)
{
	struct app *a = arg;
	if (a->mount != NULL)
		mount_wake(a->mount);
	if (a->live != NULL)
		live_wake(a->live);
	if (a->print != NULL)
		print_wake(a->print);
	pthread_mutex_lock(&a->lock);
	a->wakes++;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

/* Until something changes, or that is the time. false: the end has come. */
static bool wait_change(struct app *a, uint64_t *wakes, int64_t until)
{
	pthread_mutex_lock(&a->lock);
	int error = 0;
	while (!a->ending && error == 0 && a->wakes == *wakes)
		error = clock_wait(&a->changed, &a->lock, until);
	*wakes = a->wakes;
	bool go_on = !a->ending;
	pthread_mutex_unlock(&a->lock);
	return go_on;
}

/* ---- the stack ---- */

static int open_bucket(struct app *a, char error[TEXT_MAX])
{
	const struct config *c = a->config;
	struct source_s3_options options = {
		.bucket = c->bucket,
		.prefix = c->prefix,
		.endpoint_url = c->endpoint_url,
		.region = c->region,
		.profile = c->profile,
		.expected_bucket_owner = c->expected_bucket_owner,
		.ca_bundle = c->ca_bundle,
		.no_sign_request = c->no_sign_request,
		.request_payer = c->request_payer,
		.force_path_style = c->force_path_style,
		.connections = c->connections,
		.timeout = c->timeout,
	};
	int ret = source_s3_open(&options, &a->source, error);
	if (ret == 0)
		a->ca_bundle = source_s3_ca_bundle(a->source);
	return ret;
}

static int open_source(struct app *a, char error[TEXT_MAX])
{
	const struct config *c = a->config;
	if (c->bucket != NULL)
		return open_bucket(a, error);
	const char *skip[] = {c->cache_dir, c->mountpoint, NULL};
	int ret = source_dir_open(c->source, c->cache_dir != NULL ? skip : skip + 1, &a->source);
	if (ret < 0)
		snprintf(error, TEXT_MAX, "%s: %s; name a directory of CloudTrail files, or s3://BUCKET",
			c->source, strerror(-ret));
	else if (a->warden != NULL)
		source_dir_entrust(a->source, warden_open_source, a->warden);
	return ret;
}

static void open_cache(struct app *a)
{
	int ret = cache_open(a->config->cache_dir, a->source->id, &a->cache);
	if (ret < 0) {
		log_warning("%s: %s; keeping the index in memory", a->config->cache_dir,
			ret == -EPERM ? "not yours, or others may write to it: chown or chmod it, or choose "
					"another --cache-dir"
				      : strerror(-ret));
		a->cache = NULL;
	}
}

/* What was fetched from a bucket, and how it was listed, is kept. */
static int open_kept(struct app *a)
{
	struct source *bucket = a->source;
	int ret = packs_open(a->cache, a->config->cache_size, &a->packs);
	if (ret == 0)
		ret = listings_open(a->cache, &a->listings);
	if (ret < 0)
		return ret;
	source_s3_keep(bucket, a->listings);
	return source_cached_new(bucket, a->packs, a->listings, a->config->offline, &a->source);
}

/* The bounds that they have are for machines with some memory. */
static void bound_memory(struct app *a)
{
	uint64_t limit = memory_limit();
	large_allow(limit / LARGE_SHARE);
	blob_hold((size_t)(limit / KEPT_SHARE));
	reader_hold(a->reader, (size_t)(limit / HELD_SHARE));
	view_hold(a->view, (size_t)(limit / KEPT_SHARE));
	rollups_hold(a->rollups, (size_t)(limit / KEPT_SHARE));
}

static int open_stack(struct app *a, char error[TEXT_MAX])
{
	const struct config *c = a->config;
	a->filter = (struct source_filter){
		.account = c->account,
		.region = c->log_region,
		.n_account = c->n_account,
		.n_region = c->n_log_region,
	};
	source_filter_range(&a->filter, c->since, c->until);
	int ret = open_source(a, error);
	if (ret < 0)
		return ret;
	open_cache(a);
	struct follow_options options = {
		.filter = &a->filter,
		.refresh = a->print != NULL ? 0 : c->refresh,
		.offline = c->offline,
		.layout_only = c->bucket != NULL,
		.memory = memory_limit() / LARGE_SHARE,
	};
	if (c->bucket != NULL)
		ret = open_kept(a);
	if (ret == 0)
		ret = catalog_new(&a->filter, c->bucket != NULL, woken, a, &a->catalog);
	if (ret == 0)
		ret = follow_new(a->source, a->cache, a->catalog, &options, &a->follow);
	if (ret == 0)
		ret = reader_new(a->source, a->cache, woken, a, &a->reader);
	if (ret == 0 &&
		((a->days = days_new(c->since, c->until)) == NULL || (a->view = view_new(a->days)) == NULL))
		ret = -ENOMEM;
	if (ret == 0)
		ret = rollups_new(a->catalog, a->days, a->view, a->reader, woken, a, &a->rollups);
	if (ret == 0)
		ret = live_new(a->catalog, a->days, a->reader, a->cache, LIVE_KEPT, woken, a, &a->live);
	if (ret == 0)
		bound_memory(a);
	else
		snprintf(error, TEXT_MAX, "cannot start: %s", strerror(-ret));
	return ret;
}

static int open_tree(struct app *a, char error[TEXT_MAX])
{
	const struct config *c = a->config;
	struct tree_options options = {
		.uid = c->uid,
		.gid = c->gid,
		.dir_mode = c->dir_mode,
		.file_mode = c->file_mode,
		.source = c->source,
		.packs = a->packs,
		.bucket = c->bucket != NULL ? a->source : NULL,
		.rollups = a->rollups,
		.live = a->live,
		.metrics = a->mount != NULL ? mount_metrics : NULL,
		.metrics_arg = a->mount,
	};
	int ret = tree_new(&options, a->catalog, a->days, a->view, a->reader, a->cache, &a->tree);
	if (ret < 0)
		snprintf(error, TEXT_MAX, "cannot start: %s", strerror(-ret));
	return ret;
}

static int start_stack(struct app *a, char error[TEXT_MAX])
{
	log_in_front(a->config);
	int ret = reader_start(a->reader);
	if (ret == 0)
		ret = rollups_start(a->rollups);
	if (ret == 0 && a->mount != NULL)
		ret = live_start(a->live);
	if (ret == 0)
		ret = follow_start(a->follow);
	if (ret < 0)
		snprintf(error, TEXT_MAX, "cannot start a thread: %s", strerror(-ret));
	return ret;
}

static void close_stack(struct app *a)
{
	end_in_time();
	if (a->follow != NULL)
		follow_stop(a->follow);
	if (a->reader != NULL)
		reader_stop(a->reader);
	if (a->rollups != NULL)
		rollups_stop(a->rollups);
	if (a->live != NULL)
		live_stop(a->live);
	mount_free(a->mount);
	last_resort.mountpoint = NULL;
	print_free(a->print);
	tree_free(a->tree);
	rollups_free(a->rollups);
	live_free(a->live);
	reader_free(a->reader);
	follow_free(a->follow);
	view_free(a->view);
	days_free(a->days);
	catalog_free(a->catalog);
	if (a->source != NULL)
		source_free(a->source);
	packs_free(a->packs);
	listings_free(a->listings);
	cache_free(a->cache);
	log_send_by(NULL, NULL);
	warden_free(a->warden);
}

/* ---- mounting ---- */

/* SIGINT, SIGTERM: unmount. SIGHUP: refresh. */
static void *heed_signals(void *arg)
{
	struct app *a = arg;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	for (;;) {
		int signal = sigwaitinfo(&set, NULL);
		pthread_mutex_lock(&a->lock);
		bool ending = a->ending;
		pthread_mutex_unlock(&a->lock);
		if (ending)
			return NULL;
		if (signal == SIGHUP) {
			source_reload(a->source);
			follow_refresh(a->follow);
		} else if (signal > 0) {
			end_in_time();
			mount_stop(a->mount);
		}
	}
}

/* Why the source cannot be listed. */
static void say_unlisted(struct app *a, int reason, char error[TEXT_MAX])
{
	source_explain(a->source, error);
	if (error[0] == '\0')
		snprintf(error, TEXT_MAX, "cannot list %s: %s", a->config->source, strerror(-reason));
}

/* Waits until it is known what the source holds. false: it cannot be listed, or the end has come. */
static bool await_listing(struct app *a, char error[TEXT_MAX])
{
	uint64_t wakes = 0;
	int failed = a->config->offline ? 0 : source_check(a->source);
	int64_t end = clock_now() + LISTED;
	while (failed != 0 || !catalog_listed(a->catalog)) {
		failed = failed != 0 ? failed : catalog_list_error(a->catalog);
		if (failed == -ECANCELED)
			return false;
		if (failed != 0) {
			say_unlisted(a, failed, error);
			return false;
		}
		if (!a->config->wait && clock_now() >= end)
			return true;
		if (!wait_change(a, &wakes, a->config->wait ? clock_now() + PROGRESS : end))
			return false;
	}
	return true;
}

static bool await_index(struct app *a)
{
	char line[PROGRESS_MAX];
	struct catalog_counts first = catalog_counts(a->catalog), now = first;
	int64_t began = clock_now(), shown = 0;
	uint64_t wakes = 0;
	for (; !now.complete; now = catalog_counts(a->catalog)) {
		if (clock_now() - shown >= PROGRESS) {
			progress_line(&first, &now, (double)(clock_now() - began) / CLOCK_SECOND, line);
			daemon_progress(&a->daemon, line);
			shown = clock_now();
		}
		if (!wait_change(a, &wakes, clock_now() + PROGRESS))
			return false;
	}
	return true;
}

static bool is_empty(struct app *a, char text[PROGRESS_MAX])
{
	struct catalog_counts now = catalog_counts(a->catalog);
	return progress_empty(&now, a->config->source, &a->filter, text);
}

/* Where it was known before, the terminal has it too. */
static void log_empty(struct app *a)
{
	char text[PROGRESS_MAX];
	uint64_t wakes = 0;
	while (!catalog_listed(a->catalog) && wait_change(a, &wakes, INT64_MAX))
		;
	if (is_empty(a, text))
		log_warning("%s", text);
}

/* Says that the mount is live, and what is to come. */
static void *herald(void *arg)
{
	struct app *a = arg;
	char text[TEXT_MAX] = "";
	if (!await_listing(a, text)) {
		if (text[0] != '\0') {
			daemon_failed(&a->daemon, text);
			atomic_store(&a->status, STATUS_FAILED);
			end_in_time();
			mount_stop(a->mount);
		}
		return NULL;
	}
	struct catalog_counts now = catalog_counts(a->catalog);
	if (now.listed && now.waiting > 0) {
		progress_note(&now, a->config->mountpoint, text);
		daemon_note(&a->daemon, text);
	} else if (!a->config->foreground && is_empty(a, text)) {
		daemon_warning(&a->daemon, text);
	}
	if (!a->config->wait || await_index(a)) {
		daemon_ready(&a->daemon);
		set_log_level(a->config, LOG_LEVEL_INFO);
		if (a->unconfined[0] != '\0')
			log_warning("not confined by %s", a->unconfined);
		log_empty(a);
	}
	return NULL;
}

static void detach_mount(void *arg)
{
	struct app *a = arg;
	detach(a->warden, a->config->mountpoint);
}

static int open_mount(struct app *a, char error[TEXT_MAX])
{
	struct mount_options options = {
		.mountpoint = a->config->mountpoint,
		.source = a->config->source,
		.fuse_options = a->config->fuse_options,
		.allow_other = a->config->allow_other,
		.timeout = a->config->timeout,
		.detach = detach_mount,
		.detach_arg = a,
	};
	int ret = mount_open(&options, &a->mount, error);
	if (ret < 0)
		return ret;
	last_resort.warden = a->warden;
	last_resort.mountpoint = a->config->mountpoint;
	ret = open_tree(a, error);
	if (ret == 0)
		mount_set_tree(a->mount, a->tree);
	return ret;
}

static int run_mount(struct app *a, char error[TEXT_MAX])
{
	bool have_signals = pthread_create(&a->signals, NULL, heed_signals, a) == 0;
	bool have_herald = have_signals && pthread_create(&a->herald, NULL, herald, a) == 0;
	int ret = have_herald ? mount_run(a->mount) : -EAGAIN;
	if (ret < 0)
		snprintf(error, TEXT_MAX, "cannot serve the mount: %s", strerror(-ret));
	end_in_time();
	pthread_mutex_lock(&a->lock);
	a->ending = true;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	if (have_signals) {
		/* It waits for it. NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread,cert-pos44-c) */
		pthread_kill(a->signals, SIGTERM);
		pthread_join(a->signals, NULL);
	}
	if (have_herald)
		pthread_join(a->herald, NULL);
	return ret;
}

/* While there is one thread. */
static int start_warden(struct app *a, char error[TEXT_MAX])
{
	struct warden_options options = {
		.mountpoint = a->config->mountpoint,
		.source = a->config->bucket == NULL ? a->config->source : NULL,
		.may_open = s3_may_open,
		.run = s3_run,
		.argv = a->argv,
	};
	int ret = warden_start(&options, &a->warden);
	if (ret < 0) {
		snprintf(error, TEXT_MAX, "cannot start a process: %s", strerror(-ret));
		return ret;
	}
	a->helper = (struct s3_helper){warden_open_file, warden_run, a->warden};
	s3_set_helper(&a->helper);
	log_send_by(warden_log, a->warden);
	return 0;
}

static void give_up_rights(struct app *a)
{
	const struct config *c = a->config;
	bool network = c->bucket != NULL && !c->offline;
	char *logins = network && !c->no_sign_request ? s3_logins_folder() : NULL;
	/* Without a cache, what has no room in memory goes to /tmp. */
	const struct confine_path path[] = {
		{a->cache != NULL ? cache_path(a->cache, ".") : "/tmp", CONFINE_READ | CONFINE_WRITE},
		{logins, CONFINE_READ | CONFINE_WRITE},
		{c->bucket == NULL ? c->source : NULL, CONFINE_READ},
	};
	struct confine_options options = {
		.path = path,
		.n_path = sizeof(path) / sizeof(*path),
		.ca_bundle = a->ca_bundle,
		.network = network,
	};
	confine(&options, a->unconfined);
	free(logins);
}

static int serve(struct app *a)
{
	char error[TEXT_MAX] = "";
	int ret = mountpoint_check(a->config->mountpoint,
		a->config->bucket == NULL ? a->config->source : NULL, error, sizeof(error));
	if (ret == 0)
		ret = start_warden(a, error);
	if (ret == 0)
		ret = open_stack(a, error);
	if (ret == 0)
		ret = open_mount(a, error);
	if (ret == 0) {
		give_up_rights(a);
		ret = start_stack(a, error);
	}
	if (ret == 0)
		ret = run_mount(a, error);
	if (ret < 0) {
		daemon_failed(&a->daemon, error);
		atomic_store(&a->status, STATUS_FAILED);
		last_resort.status = STATUS_FAILED;
	}
	close_stack(a);
	return atomic_load(&a->status);
}

static int act_mount(struct app *a)
{
	/* Before any thread: they inherit it. */
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (a->config->foreground) {
		daemon_stay(&a->daemon);
		return serve(a);
	}
	pid_t pid = daemon_fork(&a->daemon);
	if (pid == 0)
		return serve(a);
	if (pid > 0)
		return daemon_watch(&a->daemon, pid, a->config->mountpoint);
	fprintf(stderr, "trailfs: cannot go to the background: %s\n", strerror((int)-pid));
	return STATUS_FAILED;
}

/* ---- printing ---- */

static int act_print(struct app *a)
{
	char error[TEXT_MAX] = "cannot start: out of memory";
	last_resort.status = STATUS_FAILED;
	int ret = print_new(a->config->timeout, &a->print);
	if (ret == 0)
		ret = open_stack(a, error);
	if (ret == 0)
		ret = open_tree(a, error);
	if (ret == 0)
		ret = start_stack(a, error);
	if (ret == 0) {
		ret = print_path(a->print, a->tree, a->config->print_path, STDOUT_FILENO);
		snprintf(error, sizeof(error), "%s: %s", a->config->print_path, strerror(-ret));
		if (ret < 0 && catalog_list_error(a->catalog) != 0)
			say_unlisted(a, catalog_list_error(a->catalog), error);
	}
	if (ret < 0)
		log_say(stderr, error);
	else
		last_resort.status = STATUS_OK;
	if (a->catalog != NULL && is_empty(a, error))
		log_say(stderr, error);
	close_stack(a);
	return ret < 0 ? STATUS_FAILED : STATUS_OK;
}

/* ---- beginning ---- */

/* No core dumps: there are credentials in memory, and other people's events. The leak checker of the
 * sanitizers must be able to look at the process. */
static void protect(void)
{
	umask(077);
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	prctl(PR_SET_DUMPABLE, 0);
#endif
}

static int act(const struct config *config, char **argv)
{
	struct app a = {.config = config, .argv = argv};
	struct sigaction alarmed = {.sa_handler = give_up};
	sigaction(SIGALRM, &alarmed, NULL);
	fault_expect(detach_last);
	pthread_mutex_init(&a.lock, NULL);
	clock_cond_init(&a.changed);
	int status = config->action == CONFIG_PRINT ? act_print(&a) : act_mount(&a);
	pthread_cond_destroy(&a.changed);
	pthread_mutex_destroy(&a.lock);
	return status;
}

int main(int argc, char *argv[])
{
	struct config config;
	char error[CONFIG_ERROR_MAX] = "out of memory";
	protect();
	int ret = config_parse(argc, argv, time(NULL), &config, error);
	if (ret < 0) {
		log_say(stderr, error);
		return ret == -EINVAL ? STATUS_USAGE : STATUS_FAILED;
	}
	set_log_level(&config, config.foreground ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING);
	int status = STATUS_OK;
	if (config.action == CONFIG_HELP)
		fputs(config_usage, stdout);
	else if (config.action == CONFIG_VERSION)
		puts("trailfs " TRAILFS_VERSION);
	else
		status = act(&config, argv);
	config_clear(&config);
	return status;
}
