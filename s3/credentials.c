/*
 * Holds the keys that were found last, and decides when to look again. What one caller finds is for all:
 *
 *	held, long before its end       given, at once
 *	held, its end is near           the first caller looks again, the others are given what is held
 *	none, refused or at its end     the first caller looks, the others wait for it
 *	looking failed                  what is held, if it still holds, else the same message; for 30 s, or
 *	                                twice the time that it took
 *
 * `lock` guards what is below it in the struct and is not held while files are read or servers asked. Only
 * the thread that set `busy` replaces `files` and `held`, so it may read them without the lock.
 */
#include "s3/credentials.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "s3/cred_private.h"
#include "s3/secret.h"

#define EARLY_SECONDS 300 /* before their end new ones are fetched */
#define TIMEOUT       60  /* seconds of a search, where nothing is said */
#define FILES         2

struct stamp {
	bool there;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

struct credentials {
	char *profile, *region, *ca_bundle;
	bool profile_asked, profile_named;
	char *path[FILES]; /* config, credentials */
	void (*log)(void *arg, int level, const char *text);
	void *log_arg;
	struct cred_limits limits;
	struct cred_net net;

	pthread_mutex_t lock;
	pthread_cond_t idle;
	bool busy;
	bool loaded; /* the files were read: into files, or files_wrong says why not */
	struct profile_set *files;
	char files_wrong[PROFILE_REASON_MAX];
	struct stamp stamp[FILES];
	int64_t looked; /* at the files */

	struct keys_found *held;
	uint64_t refused; /* a generation; 0: none */
	int64_t fetched;
	bool same_again;               /* a refused generation was fetched again, and was the same */
	bool reload;                   /* fetch, and at once */
	bool outdated;                 /* held is from before a reload */
	int failed;                    /* the last fetch, which began at failed_at */
	int64_t failed_at, failed_for; /* repeated so many seconds */
	char message[CRED_MESSAGE_MAX];

	char **given; /* settings: lent for as long as this lives */
	size_t n_given;
};

/*
 * How long each place may take for one try; two that hang are all, and all that a search asks together ends
 * with its timeout. Whoever mounts waits for it.
 *
 *	metadata  1 s: what the AWS command line gives it; it is one hop away, or there is none
 *	container 2 s: what the AWS command line gives it; it is on this machine
 *	STS, SSO  5 s: they answer within one, from another continent too, and the first time with TLS
 *	process  60 s: it may ask a person, or a vault
 */
static struct cred_limits standard_limits(unsigned timeout)
{
	return (struct cred_limits){
		.imds = 1000,
		.container = 2000,
		.sts = 5000,
		.sso = 5000,
		.process = 60000,
		.all = 1000 * (timeout ? timeout : TIMEOUT),
		.tries = 3,
		.pause = 250,
		.again = 30,
	};
}

/* The tokens in an answer also pass through the JSON library's own memory. */
static void wipe_json(void)
{
	json_set_alloc_funcs(malloc, secret_wipe_block);
}

char *cred_file_path(bool credentials)
{
	const char *path = cred_getenv(credentials ? "AWS_SHARED_CREDENTIALS_FILE" : "AWS_CONFIG_FILE");

	return cred_home_path(path ? path : credentials ? "~/.aws/credentials" : "~/.aws/config");
}

static char *copy_or_null(const char *text, bool *failed)
{
	char *copy = text && *text ? strdup(text) : NULL;

	*failed |= text && *text && !copy;
	return copy;
}

int credentials_new(const struct credentials_options *o, struct credentials **ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct credentials *c = calloc(1, sizeof *c);
	const char *profile = o->profile;
	bool failed = false;

	if (!c)
		return -ENOMEM;
	pthread_once(&once, wipe_json);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->idle, NULL);
	c->limits = standard_limits(o->timeout);
	c->log = o->log;
	c->log_arg = o->log_arg;
	c->looked = INT64_MIN;
	c->profile_asked = profile != NULL;
	if (!profile)
		profile = cred_getenv("AWS_PROFILE");
	if (!profile)
		profile = cred_getenv("AWS_DEFAULT_PROFILE");
	c->profile_named = profile != NULL;
	c->profile = copy_or_null(profile && *profile ? profile : "default", &failed);
	c->region = copy_or_null(o->region, &failed);
	c->ca_bundle = copy_or_null(o->ca_bundle, &failed);
	c->path[0] = cred_file_path(false);
	c->path[1] = cred_file_path(true);
	if (failed || !c->path[0] || !c->path[1]) {
		credentials_free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

void credentials_free(struct credentials *c)
{
	if (!c)
		return;
	http_free(atomic_load(&c->net.http[0]));
	http_free(atomic_load(&c->net.http[1]));
	profile_free(c->files);
	keys_unref(c->held);
	for (size_t i = 0; i < c->n_given; i++)
		free(c->given[i]);
	free(c->given);
	free(c->profile);
	free(c->region);
	free(c->ca_bundle);
	free(c->path[0]);
	free(c->path[1]);
	pthread_cond_destroy(&c->idle);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void credentials_limits(struct credentials *c, const struct cred_limits *l)
{
	c->limits = *l;
}

static struct keys_found *keys_ref(struct keys_found *k)
{
	__atomic_add_fetch(&k->refs, 1, __ATOMIC_RELAXED);
	return k;
}

void keys_unref(struct keys_found *k)
{
	if (k && __atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL) == 0)
		secret_free(k);
}

static void look_at(const struct credentials *c, struct stamp stamp[FILES])
{
	struct stat st;

	for (int i = 0; i < FILES; i++) {
		memset(&stamp[i], 0, sizeof stamp[i]);
		if (stat(c->path[i], &st) < 0)
			continue;
		stamp[i].there = true;
		stamp[i].dev = st.st_dev;
		stamp[i].ino = st.st_ino;
		stamp[i].size = st.st_size;
		stamp[i].mtime = st.st_mtim;
	}
}

/* The stamp goes first: what is written while it is read is then seen the next time. */
static void read_files(const struct credentials *c, struct stamp stamp[FILES], struct profile_set **ret,
	char wrong[PROFILE_REASON_MAX])
{
	int r;

	look_at(c, stamp);
	*ret = NULL;
	r = profile_load(c->path[0], c->path[1], ret, wrong);
	if (r < 0 && wrong[0] == '\0')
		snprintf(wrong, PROFILE_REASON_MAX, "%s", strerror(-r));
}

/* By whoever is busy, or as the very first. Caller locks; gives back what was there. */
static struct profile_set *put_files(
	struct credentials *c, const struct stamp stamp[FILES], struct profile_set *files, const char *wrong)
{
	struct profile_set *old = c->files;

	memcpy(c->stamp, stamp, sizeof c->stamp);
	memcpy(c->files_wrong, wrong, sizeof c->files_wrong);
	c->files = files;
	c->loaded = true;
	return old;
}

static void load_files(struct credentials *c)
{
	char wrong[PROFILE_REASON_MAX] = "";
	struct stamp stamp[FILES];
	struct profile_set *files;

	read_files(c, stamp, &files, wrong);
	pthread_mutex_lock(&c->lock);
	files = put_files(c, stamp, files, wrong);
	pthread_mutex_unlock(&c->lock);
	profile_free(files);
}

/* Settings are wanted before any keys are: whoever comes first reads the files, unless that has begun. */
static void load_files_once(struct credentials *c)
{
	bool mine;

	pthread_mutex_lock(&c->lock);
	while (!c->loaded && c->busy)
		pthread_cond_wait(&c->idle, &c->lock);
	mine = !c->loaded;
	c->busy |= mine;
	pthread_mutex_unlock(&c->lock);
	if (!mine)
		return;
	load_files(c);
	pthread_mutex_lock(&c->lock);
	c->busy = false;
	pthread_cond_broadcast(&c->idle);
	pthread_mutex_unlock(&c->lock);
}

static bool is_same_file(const struct stamp *a, const struct stamp *b)
{
	return a->there == b->there && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}

/* Asks for a reload when the files are no longer those that were read. Once a second is often enough. */
static void notice_changes(struct credentials *c, int64_t now)
{
	struct stamp stamp[FILES];
	bool look;

	pthread_mutex_lock(&c->lock);
	look = c->loaded && !c->busy && c->looked != now;
	c->looked = now;
	pthread_mutex_unlock(&c->lock);
	if (!look)
		return;
	look_at(c, stamp);
	pthread_mutex_lock(&c->lock);
	for (int i = 0; i < FILES && !c->busy; i++)
		if (!is_same_file(&stamp[i], &c->stamp[i]))
			c->reload = c->outdated = true;
	pthread_mutex_unlock(&c->lock);
}

static bool is_within(int64_t seconds, int64_t then, int64_t now)
{
	return now >= then && now - then < seconds;
}

/* Of what was fetched: not so soon again. */
static bool is_recent(const struct credentials *c, int64_t now)
{
	return is_within(c->limits.again, c->fetched, now);
}

static bool is_usable(const struct credentials *c, int64_t now)
{
	if (!c->held || c->held->expires <= now)
		return false;
	/* Refused, and there are no others: to ask before each request would help nobody. */
	return c->held->generation != c->refused || (c->same_again && is_recent(c, now));
}

enum choice {
	GIVE_HELD,
	GIVE_ERROR,
	WAIT,
	FETCH
};

static enum choice choose(const struct credentials *c, int64_t now)
{
	bool usable = is_usable(c, now);
	/* Keys that live shorter than that are not fetched at every call. */
	bool ends = usable && c->held->expires - now <= EARLY_SECONDS && !is_recent(c, now);

	if (usable && !ends && !c->outdated)
		return GIVE_HELD;
	if (c->busy)
		return usable ? GIVE_HELD : WAIT;
	if (c->failed && is_within(c->failed_for, c->failed_at, now) && !c->reload)
		return usable ? GIVE_HELD : GIVE_ERROR;
	return FETCH;
}

static bool is_same(const struct keys_found *a, const struct keys_found *b)
{
	return strcmp(a->access_key, b->access_key) == 0 && strcmp(a->secret, b->secret) == 0 &&
	       !a->token == !b->token && (!a->token || strcmp(a->token, b->token) == 0);
}

static void put_keys(struct credentials *c, struct keys_found *k, int64_t now)
{
	struct keys_found *old = c->held;
	bool refused = old && old->generation == c->refused;

	/* The same keys are the same generation: whoever was refused sees that trying again is no use. */
	c->same_again = refused && is_same(old, k);
	k->generation = !old ? 1 : is_same(old, k) ? old->generation : old->generation + 1;
	c->held = k;
	c->fetched = now;
	c->failed = 0;
	if (!c->reload)
		c->outdated = false;
	keys_unref(old);
}

static int search(struct credentials *c, int64_t now, struct keys_found **ret, char message[CRED_MESSAGE_MAX])
{
	struct cred_context context = {.now = now,
		.files = c->files,
		.files_wrong = c->files_wrong,
		.profile = c->profile,
		.profile_asked = c->profile_asked,
		.profile_named = c->profile_named,
		.region = c->region,
		.ca_bundle = c->ca_bundle,
		.limits = c->limits,
		.end = cred_clock() + c->limits.all,
		.net = &c->net,
		.message = message,
		.log = c->log,
		.log_arg = c->log_arg};
	int r = cred_chain(&context, ret);

	if (r == 0 && (*ret)->expires <= now) {
		cred_at(&context, "%s", (*ret)->source);
		keys_unref(*ret);
		return cred_fail(
			&context, -EACCES, "the keys that it gives have expired, by this machine's clock");
	}
	if (r == 0)
		cred_log(&context, 3, "keys from %s", (*ret)->source);
	return r == 0 || r == -ETIMEDOUT || r == -ECANCELED || r == -ENOMEM || r == -EIO ? r : -EACCES;
}

/* The lock is held before and after it. */
static int fetch(struct credentials *c, int64_t now)
{
	char message[CRED_MESSAGE_MAX] = "", text[CRED_MESSAGE_MAX + 64];
	bool reload = c->reload || !c->loaded, kept;
	struct keys_found *k = NULL;
	int64_t began = cred_clock(), twice;
	int r;

	c->busy = true;
	c->reload = false;
	pthread_mutex_unlock(&c->lock);
	if (reload)
		load_files(c);
	r = search(c, now, &k, message);
	pthread_mutex_lock(&c->lock);
	c->busy = false;
	if (r == 0) {
		put_keys(c, k, now);
	} else {
		c->failed = r;
		c->failed_at = now;
		/* Those who came meanwhile must not each wait as long for the same. */
		twice = 2 * (cred_clock() - began) / 1000;
		c->failed_for = twice > c->limits.again ? twice : c->limits.again;
		memcpy(c->message, message, sizeof c->message);
	}
	kept = r < 0 && is_usable(c, now);
	pthread_cond_broadcast(&c->idle);
	if (!kept || !c->log || r == -ECANCELED)
		return r;
	pthread_mutex_unlock(&c->lock);
	snprintf(text, sizeof text, "no new keys, the old ones still hold: %s", message);
	c->log(c->log_arg, 1, text);
	pthread_mutex_lock(&c->lock);
	return r;
}

int credentials_get(struct credentials *c, int64_t now, struct keys_found **ret, char message[512])
{
	enum choice choice;
	int r = 0;

	notice_changes(c, now);
	message[0] = '\0';
	pthread_mutex_lock(&c->lock);
	do {
		choice = choose(c, now);
		if (choice != GIVE_HELD && atomic_load(&c->net.cancelled)) {
			r = -ECANCELED;
			break;
		}
		if (choice == WAIT)
			pthread_cond_wait(&c->idle, &c->lock);
		else if (choice == FETCH && fetch(c, now) == 0)
			choice = GIVE_HELD;
	} while (choice == WAIT || choice == FETCH);
	if (r < 0) {
		snprintf(message, CRED_MESSAGE_MAX, "cancelled");
	} else if (choice == GIVE_ERROR) {
		memcpy(message, c->message, sizeof c->message);
		r = c->failed;
	} else {
		*ret = keys_ref(c->held);
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

void credentials_expire(struct credentials *c, uint64_t generation)
{
	pthread_mutex_lock(&c->lock);
	if (c->held && c->held->generation == generation)
		c->refused = generation;
	pthread_mutex_unlock(&c->lock);
}

void credentials_reload(struct credentials *c)
{
	pthread_mutex_lock(&c->lock);
	c->reload = c->outdated = true;
	pthread_mutex_unlock(&c->lock);
}

void credentials_cancel(struct credentials *c)
{
	struct http *h;

	atomic_store(&c->net.cancelled, true);
	for (int i = 0; i < 2; i++) {
		h = atomic_load(&c->net.http[i]);
		if (h)
			http_cancel_all(h);
	}
	pthread_mutex_lock(&c->lock);
	pthread_cond_broadcast(&c->idle);
	pthread_mutex_unlock(&c->lock);
}

/* Lent for good: the files may be read again at any time. As many as there are different values. */
static const char *lend(struct credentials *c, const char *value)
{
	char **more;

	for (size_t i = 0; i < c->n_given; i++)
		if (strcmp(c->given[i], value) == 0)
			return c->given[i];
	more = reallocarray(c->given, c->n_given + 1, sizeof *more);
	if (!more)
		return NULL;
	c->given = more;
	more[c->n_given] = strdup(value);
	return more[c->n_given] ? more[c->n_given++] : NULL;
}

const char *credentials_setting(struct credentials *c, const char *name)
{
	const char *value;

	load_files_once(c);
	pthread_mutex_lock(&c->lock);
	value = cred_setting(c->files, c->profile, name);
	if (value)
		value = lend(c, value);
	pthread_mutex_unlock(&c->lock);
	return value;
}
