/* The pool, against a server that does all that servers and networks do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <time.h>

#include "s3/http.h"
#include "tests/unit/web_answers.h"

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

struct fixture {
	struct web_server *server;
	struct http *http;
	char url[300];
};

static void start_pool(struct fixture *f, unsigned connections)
{
	assert_int_equal(http_new(&(struct http_options){.connections = connections}, &f->http), 0);
	assert_int_equal(http_start(f->http), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->server = web_server_new();
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	http_free(f->http);
	web_server_free(f->server);
	free(f);
	return 0;
}

/* A GET of path, with room for the answer. */
static struct http_request request(struct fixture *f, const char *path)
{
	snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d%s", f->server->port, path);
	return (struct http_request){.method = "GET", .url = f->url, .max_bytes = 1000000};
}

static void get(struct fixture *f, const char *path, struct http_answer *a)
{
	struct http_request r = request(f, path);

	http_call(f->http, &r, a);
}

static void answers_come(void **state)
{
	static const struct {
		const char *path;
		int error, status;
		const char *body;
		uint64_t length;
	} rows[] = {
		{"/full", 0, 206, "hello", 5},
		{"/empty", 0, 200, "", 0},
		{"/nothing", 0, 304, "", 0},
		{"/chunked", 0, 200, "hello, world", UINT64_MAX},
		{"/to-the-end", 0, 200, "hello", UINT64_MAX},
		{"/continued", 0, 200, "ok", 2},
		{"/gzip", 0, 200, "\x1f\x8b!!!", 5},
		/* What came before it broke off is kept. */
		{"/short", -ECONNRESET, 200, "0123456789", 100},
		{"/short-chunk", -ECONNRESET, 200, "0123456789", UINT64_MAX},
		{"/bad-chunk", -ECONNRESET, 200, NULL, UINT64_MAX},
		{"/lost", -ECONNRESET, 0, NULL, UINT64_MAX},
		{"/garbage", -EPROTO, 0, NULL, UINT64_MAX},
		{"/headers", -EPROTO, 200, NULL, UINT64_MAX},
	};
	struct fixture *f = *state;

	start_pool(f, 4);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_answer a;
		get(f, rows[i].path, &a);
		if (a.error != rows[i].error || a.status != rows[i].status)
			fail_msg("%s: %d %d %s", rows[i].path, a.error, a.status, a.reason);
		if (a.content_length != rows[i].length)
			fail_msg("%s: %lld", rows[i].path, (long long)a.content_length);
		assert_int_equal(a.len, rows[i].body ? strlen(rows[i].body) : 0);
		if (rows[i].body)
			assert_string_equal(a.data, rows[i].body);
		assert_true(!a.error == !a.reason[0]);
		http_answer_clear(&a);
	}
}

static void headers_are_kept(void **state)
{
	struct fixture *f = *state;
	struct http_answer a;

	start_pool(f, 1);
	get(f, "/full", &a);
	assert_string_equal(a.etag, "\"0123\"");
	assert_string_equal(a.date, "Thu, 19 Jun 2025 09:10:23 GMT");
	assert_string_equal(a.content_range, "bytes 0-4/10");
	assert_string_equal(a.region, "eu-west-1");
	assert_string_equal(a.request_id, "4442587FB7D0A2F9");
	assert_string_equal(a.retry_after, "3");
	assert_string_equal(a.content_type, "text/plain");
	http_answer_clear(&a);
	/* Of the answer itself: not of what came before it or after it. */
	get(f, "/continued", &a);
	assert_string_equal(a.etag, "");
	http_answer_clear(&a);
	get(f, "/chunked", &a);
	assert_string_equal(a.etag, "\"a\"");
	http_answer_clear(&a);
	get(f, "/short", &a);
	assert_string_equal(a.etag, "\"s\"");
	http_answer_clear(&a);
	/* Milliseconds, and up. */
	get(f, "/later", &a);
	assert_string_equal(a.retry_after, "2");
	http_answer_clear(&a);
}

static void no_redirect_is_followed(void **state)
{
	struct fixture *f = *state;
	struct http_answer a;

	start_pool(f, 1);
	get(f, "/redirect", &a);
	assert_int_equal(a.error, 0);
	assert_int_equal(a.status, 307);
	assert_string_equal(a.location, "/full");
	assert_int_equal(f->server->requests, 1);
	http_answer_clear(&a);
}

/* A line that is longer than libcurl takes ends the request one way or another. */
static void long_line(void **state)
{
	struct fixture *f = *state;
	struct http_answer a;

	start_pool(f, 1);
	get(f, "/long-line", &a);
	assert_true(a.error < 0);
	http_answer_clear(&a);
	get(f, "/full", &a);
	assert_int_equal(a.error, 0);
	http_answer_clear(&a);
}

/* How much came before is chance; that it is the beginning is not. */
static void reset(void **state)
{
	struct fixture *f = *state;
	struct http_answer a;

	start_pool(f, 1);
	get(f, "/reset", &a);
	assert_int_equal(a.error, -ECONNRESET);
	assert_true(a.len <= 10);
	if (a.len)
		assert_memory_equal(a.data, "0123456789", a.len);
	http_answer_clear(&a);
}

static void refused(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(to);
	struct http_request r = request(f, "/full");
	struct http_answer a;

	start_pool(f, 1);
	/* Bound and not listening: nobody else's. */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d/", ntohs(to.sin_port));
	http_call(f->http, &r, &a);
	assert_int_equal(a.error, -ECONNREFUSED);
	assert_int_equal(a.status, 0);
	http_answer_clear(&a);
	close(fd);
	static const char *const urls[] = {"http://[::1", "ftp://127.0.0.1/", "file:///etc/passwd"};
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		r.url = urls[i];
		http_call(f->http, &r, &a);
		if (a.error != -EINVAL && a.error != -EPROTO)
			fail_msg("%s: %d %s", urls[i], a.error, a.reason);
		http_answer_clear(&a);
	}
	/* No TLS is spoken there: the handshake belongs to the time for connecting. */
	snprintf(f->url, sizeof(f->url), "https://127.0.0.1:%d/", f->server->port);
	r.url = f->url;
	r.connect_ms = 300;
	http_call(f->http, &r, &a);
	assert_int_equal(a.error, -ETIMEDOUT);
	assert_int_equal(a.status, 0);
	http_answer_clear(&a);
}

/* Partial answers are only looked at where they came: a busy machine may be out of time before that. */
static void time_runs_out(void **state)
{
	static const struct {
		const char *path;
		unsigned stall_ms, total_ms;
		size_t most;
	} rows[] = {
		{"/never", 0, 200, 0},
		{"/never", 1000, 0, 0},
		{"/stall", 500, 0, 10},
		{"/stall", 0, 1000, 10},
		{"/drip", 1000, 0, 599},
	};
	struct fixture *f = *state;

	start_pool(f, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_request r = request(f, rows[i].path);
		struct http_answer a;
		r.stall_ms = rows[i].stall_ms;
		r.total_ms = rows[i].total_ms;
		http_call(f->http, &r, &a);
		assert_int_equal(a.error, -ETIMEDOUT);
		assert_true(a.status == 200 || a.len == 0);
		assert_true(a.len <= rows[i].most);
		if (a.len && rows[i].most == 10)
			assert_memory_equal(a.data, "0123456789", a.len);
		http_answer_clear(&a);
	}
}

static void too_big(void **state)
{
	static const struct {
		const char *path;
		uint64_t max;
		int error;
		size_t most;
	} rows[] = {
		{"/full", 5, 0, 5},
		{"/full", 4, -EFBIG, 0},
		{"/chunks", 20, 0, 20},
		{"/chunks", 19, -EFBIG, 19},
		{"/chunks", 0, -EFBIG, 0},
		{"/empty", 0, 0, 0},
	};
	struct fixture *f = *state;

	start_pool(f, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_request r = request(f, rows[i].path);
		struct http_answer a;
		r.max_bytes = rows[i].max;
		http_call(f->http, &r, &a);
		assert_int_equal(a.error, rows[i].error);
		assert_int_equal(begins(a.reason, "the answer has more than"), a.error != 0);
		assert_true(a.len <= rows[i].most);
		assert_true(a.status == 200 || a.status == 206);
		http_answer_clear(&a);
	}
}

/* What goes over the wire. */
static void requests_are_sent_as_said(void **state)
{
	static const char *const headers[] = {"Range: bytes=0-9", "Authorization: AWS4 x", NULL};
	struct fixture *f = *state;
	struct http_request r = request(f, "/a/../b//./%2e%2e/c%2Fd?x=%20&y=");
	struct http_answer a;

	start_pool(f, 1);
	r.header = headers;
	http_call(f->http, &r, &a);
	assert_true(begins(a.data, "GET /a/../b//./%2e%2e/c%2Fd?x=%20&y= HTTP/1.1\r\n"));
	assert_non_null(strstr(a.data, "\r\nRange: bytes=0-9\r\n"));
	assert_non_null(strstr(a.data, "\r\nAuthorization: AWS4 x\r\n"));
	assert_null(strcasestr(a.data, "Accept-Encoding"));
	assert_null(strcasestr(a.data, "Content-"));
	http_answer_clear(&a);

	r = request(f, "/token");
	r.method = "PUT";
	http_call(f->http, &r, &a);
	assert_true(begins(a.data, "PUT /token HTTP/1.1\r\n"));
	assert_non_null(strstr(a.data, "\r\nContent-Length: 0\r\n"));
	assert_null(strcasestr(a.data, "Transfer-Encoding"));
	assert_null(strcasestr(a.data, "Content-Type"));
	assert_null(strcasestr(a.data, "Expect"));
	http_answer_clear(&a);

	char *body = malloc(5001);
	memset(body, 'b', 5000);
	body[5000] = '\0';
	r = request(f, "/post");
	r.method = "POST";
	r.body = body;
	r.body_len = 5000;
	r.header = (const char *const[]){"Content-Type: application/json", NULL};
	http_call(f->http, &r, &a);
	assert_non_null(strstr(a.data, "\r\nContent-Length: 5000\r\n"));
	assert_non_null(strstr(a.data, "\r\nContent-Type: application/json\r\n"));
	assert_null(strcasestr(a.data, "Expect"));
	assert_string_equal(strstr(a.data, "\r\n\r\n") + 4, body);
	http_answer_clear(&a);
	free(body);

	/* The handle is used again and nothing of the last request sticks to it. */
	r = request(f, "/again");
	r.method = "HEAD";
	http_call(f->http, &r, &a);
	assert_int_equal(a.error, 0);
	assert_int_equal(a.len, 0);
	http_answer_clear(&a);
	get(f, "/again", &a);
	assert_true(begins(a.data, "GET /again HTTP/1.1\r\n"));
	assert_null(strcasestr(a.data, "Content-"));
	assert_null(strcasestr(a.data, "Range"));
	http_answer_clear(&a);
	assert_int_equal(f->server->accepted, 1);
}

/* Of many requests: how they ended. */
struct tally {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	unsigned done, ok, cancelled;
	pthread_t last; /* where the last one was told */
};

static void tally_init(struct tally *t)
{
	*t = (struct tally){0};
	pthread_mutex_init(&t->mutex, NULL);
	pthread_cond_init(&t->changed, NULL);
}

static void tally_clear(struct tally *t)
{
	pthread_mutex_destroy(&t->mutex);
	pthread_cond_destroy(&t->changed);
}

static void count(void *arg, struct http_answer *a)
{
	struct tally *t = arg;

	pthread_mutex_lock(&t->mutex);
	t->done++;
	t->ok += a->error == 0;
	t->cancelled += a->error == -ECANCELED;
	t->last = pthread_self();
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->mutex);
}

static void wait_done(struct tally *t, unsigned n)
{
	pthread_mutex_lock(&t->mutex);
	while (t->done < n)
		pthread_cond_wait(&t->changed, &t->mutex);
	pthread_mutex_unlock(&t->mutex);
}

static void connections_are_kept(void **state)
{
	struct fixture *f = *state;
	struct http_request r = request(f, "/full");
	struct tally t;

	tally_init(&t);
	start_pool(f, 4);
	for (int i = 0; i < 100; i++)
		http_send(f->http, &r, 0, count, &t);
	wait_done(&t, 100);
	assert_int_equal(t.ok, 100);
	assert_int_equal(f->server->requests, 100);
	assert_in_range(f->server->accepted, 1, 4);
	assert_in_range(f->server->most, 1, 4);
	tally_clear(&t);
}

static void many_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct http_request r = request(f, "/meeting");
	struct tally t;

	tally_init(&t);
	start_pool(f, MEETING);
	for (int i = 0; i < 3 * MEETING; i++)
		http_send(f->http, &r, 0, count, &t);
	wait_done(&t, 3 * MEETING);
	assert_int_equal(t.ok, 3 * MEETING);
	assert_int_equal(f->server->most, MEETING);
	tally_clear(&t);
}

static void *send_some(void *arg)
{
	struct fixture *f = arg;
	struct http_answer a;
	struct http_request r = {.method = "GET", .url = f->url, .max_bytes = 1000};

	for (int i = 0; i < 20; i++) {
		http_call(f->http, &r, &a);
		if (a.error || a.len != 5)
			abort();
		http_answer_clear(&a);
	}
	return NULL;
}

static void from_many_threads(void **state)
{
	struct fixture *f = *state;
	pthread_t thread[8];

	start_pool(f, 3);
	request(f, "/full");
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, send_some, f), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(f->server->requests, 160);
	assert_in_range(f->server->most, 1, 3);
}

static void cancel_ends_all(void **state)
{
	struct fixture *f = *state;
	struct http_request r = request(f, "/never");
	struct tally t;

	tally_init(&t);
	start_pool(f, 4);
	for (unsigned i = 0; i < 10; i++)
		http_send(f->http, &r, i == 9 ? 100000000 : 0, count, &t);
	web_wait_requests(f->server, 4);
	http_cancel_all(f->http);
	wait_done(&t, 10);
	assert_int_equal(t.cancelled, 10);
	http_send(f->http, &r, 0, count, &t);
	assert_int_equal(t.cancelled, 11);
	assert_true(pthread_equal(t.last, pthread_self()));
	tally_clear(&t);
}

static void free_ends_all(void **state)
{
	struct fixture *f = *state;
	struct http_request r = request(f, "/never");
	struct tally t;

	tally_init(&t);
	start_pool(f, 2);
	for (int i = 0; i < 10; i++)
		http_send(f->http, &r, 0, count, &t);
	web_wait_requests(f->server, 2);
	http_free(f->http);
	f->http = NULL;
	assert_int_equal(t.cancelled, 10);
	tally_clear(&t);
}

/* Without a thread nothing is sent; what was asked for is answered all the same. */
static void never_started(void **state)
{
	struct fixture *f = *state;
	struct http_request r = request(f, "/full");
	struct tally t;

	tally_init(&t);
	assert_int_equal(http_new(&(struct http_options){0}, &f->http), 0);
	http_send(f->http, &r, 0, count, &t);
	http_send(f->http, &r, 5, count, &t);
	assert_int_equal(t.done, 0);
	http_cancel_all(f->http);
	assert_int_equal(t.cancelled, 2);
	assert_int_equal(http_start(f->http), 0);
	assert_int_equal(http_start(f->http), 0);
	http_send(f->http, &r, 0, count, &t);
	assert_int_equal(t.cancelled, 3);
	assert_int_equal(f->server->requests, 0);
	tally_clear(&t);
}

/* Which came when, of requests that are answered one at a time. */
struct order {
	struct tally tally;
	char letters[8];
};

struct letter {
	struct order *order;
	char c;
};

static void note(void *arg, struct http_answer *a)
{
	const struct letter *l = arg;

	l->order->letters[l->order->tally.done] = l->c;
	count(&l->order->tally, a);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void delays_are_kept(void **state)
{
	struct fixture *f = *state;
	struct http_request r = request(f, "/full");
	struct order o;
	struct letter l[4] = {{&o, 'd'}, {&o, 'b'}, {&o, 'c'}, {&o, 'a'}};
	int64_t from, sent;

	/* A delay counts from when it is sent: all must be sent before the next one is due. */
	do {
		o = (struct order){.letters = ""};
		tally_init(&o.tally);
		assert_int_equal(http_new(&(struct http_options){.connections = 1}, &f->http), 0);
		from = now_ms();
		http_send(f->http, &r, 400, note, &l[0]);
		http_send(f->http, &r, 100, note, &l[1]);
		http_send(f->http, &r, 300, note, &l[2]);
		http_send(f->http, &r, 0, note, &l[3]);
		sent = now_ms();
		assert_int_equal(http_start(f->http), 0);
		wait_done(&o.tally, 4);
		assert_true(now_ms() - from >= 399);
		http_free(f->http);
		f->http = NULL;
		tally_clear(&o.tally);
	} while (sent - from >= 100);
	assert_string_equal(o.letters, "abcd");
}

struct again {
	struct fixture *f;
	struct tally tally;
	unsigned left;
};

/* A callback may send: that is how a retry begins. */
static void send_again(void *arg, struct http_answer *a)
{
	struct again *g = arg;
	struct http_request r = {.method = "GET", .url = g->f->url, .max_bytes = 1000};

	if (a->error || g->left-- == 0)
		count(&g->tally, a);
	else
		http_send(g->f->http, &r, g->left % 2, send_again, g);
}

static void callbacks_send(void **state)
{
	struct fixture *f = *state;
	struct http_request r = request(f, "/full");
	struct again g = {.f = f, .left = 10};

	tally_init(&g.tally);
	start_pool(f, 1);
	http_send(f->http, &r, 0, send_again, &g);
	wait_done(&g.tally, 1);
	assert_int_equal(g.tally.ok, 1);
	assert_int_equal(f->server->requests, 11);
	tally_clear(&g.tally);
}

/* The environment's proxy is used, but not for the metadata service. */
static void proxies(void **state)
{
	struct fixture *f = *state;
	struct http_request r = {.method = "GET", .url = "http://192.0.2.1/x", .max_bytes = 1000};
	struct http_answer a;
	char proxy[64];

	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", f->server->port);
	setenv("http_proxy", proxy, 1);
	start_pool(f, 1);
	http_call(f->http, &r, &a);
	assert_int_equal(a.error, 0);
	assert_true(begins(a.data, "GET http://192.0.2.1/x HTTP/1.1\r\n"));
	http_answer_clear(&a);
	/* One that connects nobody there, nobody without a password, and one that breaks off. */
	static const int error[] = {-ECONNREFUSED, -EKEYREJECTED, -ECONNRESET};
	setenv("https_proxy", proxy, 1);
	for (int i = 0; i < 3; i++) {
		snprintf(f->url, sizeof(f->url), "https://192.0.2.%d/x", i + 1);
		r.url = f->url;
		http_call(f->http, &r, &a);
		assert_int_equal(a.error, error[i]);
		assert_int_equal(a.status, 0);
		http_answer_clear(&a);
	}
	unsetenv("https_proxy");
	http_free(f->http);
	assert_int_equal(http_new(&(struct http_options){.no_proxy = true}, &f->http), 0);
	assert_int_equal(http_start(f->http), 0);
	get(f, "/direct", &a);
	assert_true(begins(a.data, "GET /direct HTTP/1.1\r\n"));
	http_answer_clear(&a);
	unsetenv("http_proxy");
}

int main(void)
{
	static const char *const names[] = {
		"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_come, set_up, tear_down),
		cmocka_unit_test_setup_teardown(headers_are_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_redirect_is_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(time_runs_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_big, set_up, tear_down),
		cmocka_unit_test_setup_teardown(requests_are_sent_as_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(connections_are_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_at_a_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(from_many_threads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cancel_ends_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(free_ends_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(never_started, set_up, tear_down),
		cmocka_unit_test_setup_teardown(delays_are_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(callbacks_send, set_up, tear_down),
		cmocka_unit_test_setup_teardown(proxies, set_up, tear_down),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unsetenv(names[i]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
