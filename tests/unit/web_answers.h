/*
 * What the server of web_server.h answers: all that servers and networks do. Any path that is not named here
 * gets its own request back.
 */
#ifndef TESTS_UNIT_WEB_ANSWERS_H
#define TESTS_UNIT_WEB_ANSWERS_H

#include <fcntl.h>
#include <time.h>

#include "tests/unit/web_server.h"

#define MEETING 16

/* More at once than any other test, and all of them here before one is answered. */
static bool answer_meeting(struct web_request *r)
{
	struct web_server *s = r->server;

	pthread_mutex_lock(&s->mutex);
	while (s->most < MEETING && !s->ended)
		pthread_cond_wait(&s->changed, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
	return web_puts(r, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nme");
}

static bool answer_reset(struct web_request *r)
{
	struct linger at_once = {.l_onoff = 1};

	web_puts(r, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
	setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	/* The number stays taken; the connection behind it goes. */
	int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	dup2(other, r->fd);
	close(other);
	return false;
}

static bool answer_drip(struct web_request *r)
{
	const struct timespec pause = {.tv_nsec = 100000000};

	web_puts(r, "HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n");
	for (int i = 0; i < 600 && web_puts(r, "x"); i++)
		nanosleep(&pause, NULL);
	return false;
}

static bool answer_headers(struct web_request *r)
{
	web_puts(r, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
	for (int i = 0; i < 2000; i++)
		if (!web_puts(r, "X-Filler: 0123456789012345678901234567890123456789\r\n"))
			return false;
	return web_puts(r, "\r\n");
}

static bool answer_long_line(struct web_request *r)
{
	char *line = malloc(300000);

	memset(line, 'x', 300000);
	bool more = web_puts(r, "HTTP/1.1 200 OK\r\nX-Long: ") && web_write(r, line, 300000);
	free(line);
	return more && web_puts(r, "\r\n\r\n");
}

static bool answer_echo(struct web_request *r)
{
	char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(r->text));
	return web_puts(r, head) && (strncmp(r->text, "HEAD", 4) == 0 || web_puts(r, r->text));
}

/* Sent as they stand. */
static const struct {
	const char *path, *text;
	char then; /* k: keep alive, c: close, w: wait for the client to go */
} answers[] = {
	{"/full",
		"HTTP/1.1 206 Partial Content\r\nETag: \"0123\"\r\ndate:Thu, 19 Jun 2025 09:10:23 GMT\r\n"
		"Content-Range:  bytes 0-4/10 \r\nx-amz-bucket-region: eu-west-1\r\n"
		"x-amz-request-id: 4442587FB7D0A2F9\r\nRetry-After: 3\r\nContent-Type: text/plain\r\n"
		"Content-Length: 5\r\n\r\nhello",
		'k'},
	{"/later", "HTTP/1.1 503 Slow Down\r\nx-amz-retry-after: 1500\r\nContent-Length: 0\r\n\r\n", 'k'},
	{"/empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 'k'},
	{"/nothing", "HTTP/1.1 304 Not Modified\r\n\r\n", 'k'},
	{"/chunked",
		"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nTransfer-Encoding: chunked\r\n\r\n"
		"5\r\nhello\r\n7\r\n, world\r\n0\r\nETag: \"trailer\"\r\n\r\n",
		'k'},
	{"/to-the-end", "HTTP/1.1 200 OK\r\n\r\nhello", 'c'},
	{"/continued",
		"HTTP/1.1 100 Continue\r\nETag: \"early\"\r\n\r\n"
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		'k'},
	{"/gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b!!!", 'k'},
	{"/short", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: \"s\"\r\n\r\n0123456789", 'c'},
	{"/short-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n0123456789", 'c'},
	{"/bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n0123456789", 'c'},
	{"/lost", "", 'c'},
	{"/garbage", "what do you want?\r\n\r\n", 'c'},
	{"/stall", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", 'w'},
	{"/never", "", 'w'},
	/* asked to connect somebody */
	{"192.0.2.1:443", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 'c'},
	{"192.0.2.2:443", "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", 'c'},
	{"192.0.2.3:443", "", 'c'},
	{"/redirect", "HTTP/1.1 307 Temporary Redirect\r\nLocation: /full\r\nContent-Length: 0\r\n\r\n", 'k'},
	{"/chunks",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"a\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
		'k'},
};

static bool web_answer(struct web_request *r)
{
	static const struct {
		const char *path;
		bool (*answer)(struct web_request *r);
	} special[] = {
		{"/meeting", answer_meeting},
		{"/reset", answer_reset},
		{"/drip", answer_drip},
		{"/headers", answer_headers},
		{"/long-line", answer_long_line},
	};

	for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++)
		if (strcmp(r->path, special[i].path) == 0)
			return special[i].answer(r);
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		if (strcmp(r->path, answers[i].path) != 0)
			continue;
		bool more = web_puts(r, answers[i].text);
		if (answers[i].then == 'w')
			web_wait(r);
		return more && answers[i].then == 'k';
	}
	return answer_echo(r);
}

#endif
