/*
 * A server for tests of HTTP clients: 127.0.0.1, a thread per connection, answers by path. Kept-alive unless
 * an answer says otherwise.
 */
#ifndef TESTS_UNIT_WEB_SERVER_H
#define TESTS_UNIT_WEB_SERVER_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WEB_CONNECTIONS 512

struct web_server {
	int fd, port;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool ended;
	unsigned accepted, requests, now, most; /* now, most: requests being answered */
	int connection[WEB_CONNECTIONS];
	pthread_t worker[WEB_CONNECTIONS];
};

struct web_request {
	struct web_server *server;
	int fd;
	char text[16384]; /* head and body */
	char path[256];
};

/* Answers; false: the connection ends. */
static bool web_answer(struct web_request *r);

static inline bool web_write(struct web_request *r, const char *text, size_t n)
{
	while (n) {
		ssize_t done = send(r->fd, text, n, MSG_NOSIGNAL);
		if (done <= 0)
			return false;
		text += done;
		n -= (size_t)done;
	}
	return true;
}

static inline bool web_puts(struct web_request *r, const char *text)
{
	return web_write(r, text, strlen(text));
}

/* Until the client has gone, or the server ends. */
static inline void web_wait(struct web_request *r)
{
	char byte;

	while (recv(r->fd, &byte, 1, 0) > 0)
		;
}

/* One request into r->text. */
static inline bool web_read(struct web_request *r)
{
	size_t len = 0;

	for (;;) {
		r->text[len] = '\0';
		const char *end = strstr(r->text, "\r\n\r\n");
		const char *length = strcasestr(r->text, "\r\ncontent-length:");
		size_t body = end && length && length < end ? strtoul(length + 17, NULL, 10) : 0;
		if (end && len >= (size_t)(end + 4 - r->text) + body)
			break;
		ssize_t n = recv(r->fd, r->text + len, sizeof(r->text) - 1 - len, 0);
		if (n <= 0)
			return false;
		len += (size_t)n;
	}
	return sscanf(r->text, "%*s %255s", r->path) == 1;
}

static inline void web_count(struct web_server *s, int by)
{
	pthread_mutex_lock(&s->mutex);
	s->now += (unsigned)by;
	s->requests += by > 0;
	if (s->now > s->most)
		s->most = s->now;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mutex);
}

struct web_start {
	struct web_server *server;
	int fd;
};

static inline void *web_serve(void *arg)
{
	struct web_start start = *(struct web_start *)arg;
	struct web_request *r = calloc(1, sizeof(*r));
	bool more = r;

	free(arg);
	while (more) {
		r->server = start.server;
		r->fd = start.fd;
		if (!web_read(r))
			break;
		web_count(start.server, 1);
		more = web_answer(r);
		web_count(start.server, -1);
	}
	/* Not closed: its number must stay this connection's until the server ends. */
	shutdown(start.fd, SHUT_RDWR);
	free(r);
	return NULL;
}

static inline void *web_accept(void *arg)
{
	struct web_server *s = arg;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		struct web_start *start = malloc(sizeof(*start));
		*start = (struct web_start){s, fd};
		pthread_mutex_lock(&s->mutex);
		if (s->accepted == WEB_CONNECTIONS)
			abort();
		s->connection[s->accepted] = fd;
		pthread_create(&s->worker[s->accepted++], NULL, web_serve, start);
		pthread_mutex_unlock(&s->mutex);
	}
	return NULL;
}

static inline struct web_server *web_server_new(void)
{
	struct web_server *s = calloc(1, sizeof(*s));
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	assert_non_null(s);
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->fd, 256), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
	s->port = ntohs(a.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, web_accept, s), 0);
	return s;
}

static inline void web_server_free(struct web_server *s)
{
	pthread_mutex_lock(&s->mutex);
	s->ended = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mutex);
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	for (unsigned i = 0; i < s->accepted; i++)
		shutdown(s->connection[i], SHUT_RDWR);
	for (unsigned i = 0; i < s->accepted; i++) {
		pthread_join(s->worker[i], NULL);
		close(s->connection[i]);
	}
	close(s->fd);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

/* Until that many requests have come in all. */
static inline void web_wait_requests(struct web_server *s, unsigned n)
{
	pthread_mutex_lock(&s->mutex);
	while (s->requests < n)
		pthread_cond_wait(&s->changed, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
}

#endif
