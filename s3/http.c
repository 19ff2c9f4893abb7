/*
 * One thread drives libcurl. A call is sent (from any thread), then delayed or ready, then in a slot, done.
 *
 * The mutex guards `sent`, `started`, `cancelled` and `quit`; all else is the thread's own, and http_free()'s
 * when there is no thread any more.
 */
#include "s3/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "s3/http_call.h"

#define POLL_MAX 60000

struct list {
	struct call *first, **end;
};

struct slot {
	CURL *easy;
	struct call *call; /* NULL: free */
};

struct http {
	unsigned connections;
	char *ca_bundle;
	bool no_proxy;
	pthread_t thread;
	CURLM *multi;

	pthread_mutex_t mutex;
	struct list sent;
	bool started, cancelled, quit;

	struct list ready;
	struct call *delayed; /* by time */
	struct slot *slot;    /* `connections` of them */
	unsigned in_flight;
};

static pthread_once_t libcurl_once = PTHREAD_ONCE_INIT;
static CURLcode libcurl_state;

static void init_libcurl(void)
{
	libcurl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void list_init(struct list *l)
{
	l->first = NULL;
	l->end = &l->first;
}

static void list_add(struct list *l, struct call *c)
{
	c->next = NULL;
	*l->end = c;
	l->end = &c->next;
}

static struct call *list_take(struct list *l)
{
	struct call *c = l->first;

	if (c && !(l->first = c->next))
		l->end = &l->first;
	return c;
}

static void cancel(struct call *c)
{
	call_give(c, -ECANCELED, "cancelled");
}

static void delay(struct http *h, struct call *c)
{
	struct call **at = &h->delayed;

	while (*at && (*at)->due <= c->due)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
}

/* Takes what was sent. False: the pool ends. */
static bool receive(struct http *h, bool *ret_cancelled)
{
	struct call *c, *next;

	pthread_mutex_lock(&h->mutex);
	c = h->sent.first;
	list_init(&h->sent);
	*ret_cancelled = h->cancelled;
	bool quit = h->quit;
	pthread_mutex_unlock(&h->mutex);
	for (; c; c = next) {
		next = c->next;
		if (c->due)
			delay(h, c);
		else
			list_add(&h->ready, c);
	}
	return !quit;
}

/* Ends all calls there are. */
static void cancel_all(struct http *h)
{
	struct call *c;

	for (unsigned i = 0; i < h->connections; i++) {
		c = h->slot[i].call;
		if (!c)
			continue;
		curl_multi_remove_handle(h->multi, h->slot[i].easy);
		h->slot[i].call = NULL;
		h->in_flight--;
		cancel(c);
	}
	while ((c = list_take(&h->ready)))
		cancel(c);
	while ((c = h->delayed)) {
		h->delayed = c->next;
		cancel(c);
	}
}

static void start(struct http *h, struct slot *s, struct call *c)
{
	if (!s->easy)
		s->easy = curl_easy_init();
	if (!s->easy || call_begin(c, s->easy, h->ca_bundle, h->no_proxy) != 0 ||
		curl_multi_add_handle(h->multi, s->easy) != CURLM_OK) {
		call_give(c, -ENOMEM, "out of memory");
		return;
	}
	s->call = c;
	h->in_flight++;
}

/* Into the slots with what may go. */
static void start_ready(struct http *h)
{
	struct call *c;
	int64_t now = now_ms();

	while ((c = h->delayed) && c->due <= now) {
		h->delayed = c->next;
		list_add(&h->ready, c);
	}
	for (unsigned i = 0; i < h->connections && h->ready.first; i++)
		if (!h->slot[i].call)
			start(h, &h->slot[i], list_take(&h->ready));
}

static void finish(struct http *h, CURL *easy, CURLcode code)
{
	for (unsigned i = 0; i < h->connections; i++) {
		struct call *c = h->slot[i].call;
		if (!c || h->slot[i].easy != easy)
			continue;
		curl_multi_remove_handle(h->multi, easy);
		h->slot[i].call = NULL;
		h->in_flight--;
		call_end(c, code);
		/* One that failed early keeps its buffer, and then libcurl takes no option for it. */
		if (code != CURLE_OK) {
			curl_easy_cleanup(easy);
			h->slot[i].easy = NULL;
		}
		return;
	}
}

static void transfer(struct http *h)
{
	const CURLMsg *m;
	int running, left;

	curl_multi_perform(h->multi, &running);
	while ((m = curl_multi_info_read(h->multi, &left)))
		if (m->msg == CURLMSG_DONE)
			finish(h, m->easy_handle, m->data.result);
}

/* Until a socket, http_send() or a delay has something to do. */
static void rest(struct http *h)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	int64_t ms = POLL_MAX;

	if (h->delayed)
		ms = h->delayed->due - now_ms();
	if (ms < 0 || (h->ready.first && h->in_flight < h->connections))
		ms = 0;
	/* It fails when memory is short; the transfers still go on. */
	if (curl_multi_poll(h->multi, NULL, 0, ms < POLL_MAX ? (int)ms : POLL_MAX, NULL) != CURLM_OK)
		nanosleep(&pause, NULL);
}

static void *run(void *arg)
{
	struct http *h = arg;
	bool cancelled;

	while (receive(h, &cancelled)) {
		if (cancelled)
			cancel_all(h);
		start_ready(h);
		transfer(h);
		rest(h);
	}
	cancel_all(h);
	return NULL;
}

int http_new(const struct http_options *o, struct http **ret)
{
	struct http *h = calloc(1, sizeof(*h));

	pthread_once(&libcurl_once, init_libcurl);
	if (!h)
		return -ENOMEM;
	pthread_mutex_init(&h->mutex, NULL);
	list_init(&h->sent);
	list_init(&h->ready);
	h->connections = o->connections ? o->connections : 1;
	h->no_proxy = o->no_proxy;
	h->slot = calloc(h->connections, sizeof(*h->slot));
	if (!h->slot || libcurl_state != CURLE_OK || !(h->multi = curl_multi_init()))
		goto fail;
	if (o->ca_bundle && !(h->ca_bundle = strdup(o->ca_bundle)))
		goto fail;
	if (curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)h->connections) != CURLM_OK ||
		curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)h->connections) != CURLM_OK)
		goto fail;
	*ret = h;
	return 0;
fail:
	http_free(h);
	return -ENOMEM;
}

int http_start(struct http *h)
{
	sigset_t all, before;
	int error = 0;

	/* Signals are for the main thread; and a broken connection's SIGPIPE for nobody. */
	sigfillset(&all);
	sigdelset(&all, SIGBUS); /* of a page that it touches itself */
	pthread_mutex_lock(&h->mutex);
	if (!h->started) {
		pthread_sigmask(SIG_BLOCK, &all, &before);
		error = pthread_create(&h->thread, NULL, run, h);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		h->started = !error;
	}
	pthread_mutex_unlock(&h->mutex);
	return -error;
}

void http_cancel_all(struct http *h)
{
	struct list left;
	struct call *c;

	list_init(&left);
	pthread_mutex_lock(&h->mutex);
	h->cancelled = true;
	/* Nobody else would. */
	if (!h->started && h->sent.first) {
		left = h->sent;
		list_init(&h->sent);
	}
	pthread_mutex_unlock(&h->mutex);
	if (h->multi)
		curl_multi_wakeup(h->multi);
	while ((c = list_take(&left)))
		cancel(c);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	http_cancel_all(h);
	pthread_mutex_lock(&h->mutex);
	h->quit = true;
	bool started = h->started;
	pthread_mutex_unlock(&h->mutex);
	if (started) {
		curl_multi_wakeup(h->multi);
		pthread_join(h->thread, NULL);
	}
	for (unsigned i = 0; h->slot && i < h->connections; i++)
		curl_easy_cleanup(h->slot[i].easy);
	curl_multi_cleanup(h->multi);
	pthread_mutex_destroy(&h->mutex);
	free(h->ca_bundle);
	free(h->slot);
	free(h);
}

void http_send(struct http *h, const struct http_request *r, unsigned delay_ms, http_done *done, void *arg)
{
	struct call *c = call_new(r);

	if (!c) {
		struct http_answer a = {.error = -ENOMEM, .reason = "out of memory"};
		done(arg, &a);
		return;
	}
	c->done = done;
	c->arg = arg;
	c->due = delay_ms ? now_ms() + delay_ms : 0;
	pthread_mutex_lock(&h->mutex);
	bool cancelled = h->cancelled;
	if (!cancelled)
		list_add(&h->sent, c);
	pthread_mutex_unlock(&h->mutex);
	if (cancelled)
		cancel(c);
	else
		curl_multi_wakeup(h->multi);
}

struct waiter {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool done;
	struct http_answer *answer;
};

static void wake_waiter(void *arg, struct http_answer *a)
{
	struct waiter *w = arg;

	pthread_mutex_lock(&w->mutex);
	*w->answer = *a;
	a->data = NULL;
	w->done = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->mutex);
}

void http_call(struct http *h, const struct http_request *r, struct http_answer *ret)
{
	struct waiter w = {.answer = ret};

	pthread_mutex_init(&w.mutex, NULL);
	pthread_cond_init(&w.cond, NULL);
	http_send(h, r, 0, wake_waiter, &w);
	pthread_mutex_lock(&w.mutex);
	while (!w.done)
		pthread_cond_wait(&w.cond, &w.mutex);
	pthread_mutex_unlock(&w.mutex);
	pthread_cond_destroy(&w.cond);
	pthread_mutex_destroy(&w.mutex);
}
