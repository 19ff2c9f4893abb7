/*
 * A small HTTP/1.1 server on 127.0.0.1 for tests: a callback answers each request, as badly as it likes.
 *
 * One thread a connection. The callback is called from those threads, several at once; it locks what it
 * keeps.
 */
#ifndef TESTS_HTTP_SERVER_H
#define TESTS_HTTP_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_CONNECTIONS 512
#define SERVER_HEAD_MAX    16384

/* A request as it came. */
struct server_request {
	char method[16], target[8192], path[8192]; /* path: the target up to '?' */
	const char *query;                         /* after it, "" */
	char head[SERVER_HEAD_MAX];                /* header lines, each ended by \r\n */
	char *body;
	size_t body_len;
	int fd;
	unsigned connection; /* its number */
};

struct server {
	int fd;
	unsigned port;
	void (*answer)(void *arg, struct server_request *q);
	void *arg;
	pthread_t acceptor;
	pthread_mutex_t lock;
	struct server_connection {
		struct server *server;
		pthread_t thread;
		int fd;
		unsigned number;
		bool open;
	} connection[SERVER_CONNECTIONS];
	unsigned n;
	bool stopping;
};

/* The value of a header, "" where there is none. Copied into out. */
__attribute__((unused)) static const char *server_header(
	const struct server_request *q, const char *name, char *out, size_t cap)
{
	size_t n = strlen(name);

	out[0] = '\0';
	for (const char *line = q->head; *line; line = strstr(line, "\r\n") + 2) {
		const char *end = strstr(line, "\r\n");

		if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
			line += n + 1;
			line += strspn(line, " ");
			snprintf(out, cap, "%.*s", (int)(end - line), line);
			return out;
		}
	}
	return out;
}

/* The value of a parameter of the query, as sent, "" where there is none. Copied into out. */
__attribute__((unused)) static const char *server_parameter(
	const struct server_request *q, const char *name, char *out, size_t cap)
{
	size_t n = strlen(name);

	out[0] = '\0';
	for (const char *p = q->query; *p; p += strcspn(p, "&"), p += *p == '&') {
		if (strncmp(p, name, n) == 0 && p[n] == '=') {
			p += n + 1;
			snprintf(out, cap, "%.*s", (int)strcspn(p, "&"), p);
			return out;
		}
	}
	return out;
}

/* Sends bytes as they are. */
__attribute__((unused)) static void server_send(struct server_request *q, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = send(q->fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		p += n;
		len -= (size_t)n;
	}
}

/* Status line and headers; extra: further lines, each ended by \r\n. length: what Content-Length says, or -1
 * to leave it out. */
__attribute__((unused)) static void server_head(
	struct server_request *q, int status, long long length, const char *extra)
{
	char head[SERVER_HEAD_MAX], content[64] = "";
	int n;

	if (length >= 0)
		snprintf(content, sizeof(content), "Content-Length: %lld\r\n", length);
	n = snprintf(
		head, sizeof(head), "HTTP/1.1 %d Status\r\n%s%s\r\n", status, content, extra ? extra : "");
	server_send(q, head, (size_t)n);
}

__attribute__((unused)) static void server_reply(
	struct server_request *q, int status, const char *extra, const void *body, size_t len)
{
	server_head(q, status, (long long)len, extra);
	server_send(q, body, len);
}

/* Ends the connection: with a reset, or as if all had been said. */
__attribute__((unused)) static void server_hang_up(struct server_request *q, bool reset)
{
	struct linger now = {1, 0};

	if (reset)
		setsockopt(q->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	shutdown(q->fd, reset ? SHUT_RD : SHUT_RDWR);
	q->fd = -1;
}

/* Reads until there is a whole head, and no more than one body. False: the other side is gone. */
static bool server_read_request(
	struct server_connection *c, struct server_request *q, char *buf, size_t *have)
{
	char *end, *line, value[32];
	size_t head, body;

	buf[*have] = '\0';
	while (!(end = strstr(buf, "\r\n\r\n"))) {
		ssize_t n = *have < SERVER_HEAD_MAX - 1
				    ? recv(c->fd, buf + *have, SERVER_HEAD_MAX - 1 - *have, 0)
				    : 0;

		if (n <= 0)
			return false;
		*have += (size_t)n;
		buf[*have] = '\0';
	}
	head = (size_t)(end - buf) + 4;
	line = strstr(buf, "\r\n") + 2;
	memcpy(q->head, line, (size_t)(end + 2 - line));
	q->head[end + 2 - line] = '\0';
	if (sscanf(buf, "%15s %8191s", q->method, q->target) != 2)
		return false;
	snprintf(q->path, sizeof(q->path), "%.*s", (int)strcspn(q->target, "?"), q->target);
	q->query = strchr(q->target, '?') ? strchr(q->target, '?') + 1 : "";
	body = strtoul(server_header(q, "content-length", value, sizeof(value)), NULL, 10);
	q->body = calloc(1, body + 1);
	q->body_len = body;
	*have -= head;
	size_t got = *have < body ? *have : body;
	memcpy(q->body, buf + head, got);
	memmove(buf, buf + head + got, *have - got);
	*have -= got;
	while (got < body) {
		ssize_t n = recv(c->fd, q->body + got, body - got, 0);

		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

static void *server_connection_run(void *arg)
{
	struct server_connection *c = arg;
	char *buf = malloc(SERVER_HEAD_MAX);
	int one = 1;
	size_t have = 0;
	bool go_on = true;

	/* A head and a body are two segments, and neither side waits for the other's. */
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (go_on) {
		struct server_request *q = calloc(1, sizeof(*q));

		q->fd = c->fd;
		q->connection = c->number;
		go_on = server_read_request(c, q, buf, &have);
		if (go_on)
			c->server->answer(c->server->arg, q);
		go_on = go_on && q->fd >= 0;
		free(q->body);
		free(q);
	}
	free(buf);
	pthread_mutex_lock(&c->server->lock);
	close(c->fd);
	c->open = false;
	pthread_mutex_unlock(&c->server->lock);
	return NULL;
}

static void *server_accept_run(void *arg)
{
	struct server *s = arg;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		pthread_mutex_lock(&s->lock);
		struct server_connection *c = &s->connection[s->n];
		if (s->stopping || s->n == SERVER_CONNECTIONS) {
			close(fd);
		} else {
			*c = (struct server_connection){.server = s, .fd = fd, .number = s->n, .open = true};
			if (pthread_create(&c->thread, NULL, server_connection_run, c) == 0)
				s->n++;
			else
				close(fd);
		}
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

/* NULL: it could not be started. */
__attribute__((unused)) static struct server *server_start(
	void (*answer)(void *arg, struct server_request *q), void *arg)
{
	struct server *s = calloc(1, sizeof(*s));
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);

	if (!s)
		return NULL;
	s->answer = answer;
	s->arg = arg;
	pthread_mutex_init(&s->lock, NULL);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&at, len) < 0 || listen(s->fd, 128) < 0 ||
		getsockname(s->fd, (struct sockaddr *)&at, &len) < 0 ||
		pthread_create(&s->acceptor, NULL, server_accept_run, s) != 0) {
		free(s);
		return NULL;
	}
	s->port = ntohs(at.sin_port);
	return s;
}

/* Connections that there have been. */
__attribute__((unused)) static unsigned server_connections(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	unsigned n = s->n;
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* Ends all connections, waits for the callbacks that are running. */
__attribute__((unused)) static void server_stop(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	for (unsigned i = 0; i < s->n; i++)
		if (s->connection[i].open)
			shutdown(s->connection[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&s->lock);
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->acceptor, NULL);
	for (unsigned i = 0; i < s->n; i++)
		pthread_join(s->connection[i].thread, NULL);
	close(s->fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

#endif
