/*
 * Small things the places share: what is said, what is read, and the keys themselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "s3/cred_helper.h"
#include "s3/cred_private.h"
#include "s3/secret.h"

#define ACCESS_KEY_MAX 256
#define SECRET_MAX     512
#define JSON_MAX       (256 << 10)
#define MS_PER_SECOND  1000

const char *cred_printable(const char *text, char *out, size_t cap)
{
	size_t n = 0;

	for (; text[n] && text[n] != '\n' && text[n] != '\r' && n + 1 < cap; n++)
		out[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	out[n] = '\0';
	return out;
}

int cred_fail(struct cred_context *c, int error, const char *format, ...)
{
	char text[CRED_MESSAGE_MAX], whole[CRED_MESSAGE_MAX + sizeof c->where + 2];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	snprintf(whole, sizeof whole, "%s: %s", c->where, text);
	cred_printable(whole, c->message, CRED_MESSAGE_MAX);
	return error;
}

void cred_at(struct cred_context *c, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(c->where, sizeof c->where, format, ap);
	va_end(ap);
}

void cred_log(struct cred_context *c, int level, const char *format, ...)
{
	char text[CRED_MESSAGE_MAX], clean[CRED_MESSAGE_MAX];
	va_list ap;

	if (!c->log)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	c->log(c->log_arg, level, cred_printable(text, clean, sizeof clean));
}

/* Printable ASCII without blanks: a key with a line break would end the header it is sent in. */
static bool is_sendable(const char *s, size_t max)
{
	size_t n = 0;

	while (s[n] > ' ' && s[n] <= '~')
		n++;
	return n > 0 && n <= max && s[n] == '\0';
}

static char *put(char **at, const char *text)
{
	size_t n = strlen(text) + 1;
	char *p = memcpy(*at, text, n);

	*at += n;
	return p;
}

int cred_keys(struct cred_context *c, const char *access_key, const char *secret, const char *token,
	int64_t expires, struct keys_found **ret)
{
	struct keys_found *k;
	char *at;

	if (token && *token == '\0')
		token = NULL;
	if (!is_sendable(access_key, ACCESS_KEY_MAX) || !is_sendable(secret, SECRET_MAX) ||
		(token && !is_sendable(token, CRED_TOKEN_MAX)))
		return cred_fail(c, -EACCES, "the keys are not what keys look like");
	k = secret_new(sizeof *k + strlen(access_key) + strlen(secret) + (token ? strlen(token) : 0) +
		       strlen(c->where) + 4);
	if (!k)
		return cred_fail(c, -ENOMEM, "no memory");
	at = (char *)(k + 1);
	*k = (struct keys_found){.refs = 1, .expires = expires};
	k->access_key = put(&at, access_key);
	k->secret = put(&at, secret);
	k->token = token ? put(&at, token) : NULL;
	k->source = put(&at, c->where);
	*ret = k;
	return 0;
}

json_t *cred_json(const char *data, size_t len)
{
	json_t *j = data && len <= JSON_MAX ? json_loadb(data, len, 0, NULL) : NULL;

	if (json_is_object(j))
		return j;
	json_decref(j);
	return NULL;
}

/* A time as text, or as milliseconds since 1970 (SSO). */
static int json_expires(const json_t *v, int64_t *ret)
{
	*ret = INT64_MAX;
	if (!v || json_is_null(v))
		return 0;
	if (json_is_integer(v)) {
		*ret = json_integer_value(v) / MS_PER_SECOND;
		return 0;
	}
	return json_is_string(v) ? cred_time(json_string_value(v), ret) : -EINVAL;
}

int cred_keys_json(
	struct cred_context *c, const json_t *json, const struct cred_names *names, struct keys_found **ret)
{
	const char *access_key = json_string_value(json_object_get(json, names->access_key));
	const char *secret = json_string_value(json_object_get(json, names->secret));
	const char *token = json_string_value(json_object_get(json, names->token));
	int64_t expires;

	if (!access_key || !secret)
		return cred_fail(c, -EACCES, "%s has no %s", names->answer,
			access_key ? names->secret : names->access_key);
	if (json_expires(json_object_get(json, names->expires), &expires) < 0)
		return cred_fail(c, -EACCES, "%s of %s is no time", names->expires, names->answer);
	return cred_keys(c, access_key, secret, token, expires, ret);
}

int cred_read_file(const char *path, size_t max, char **ret)
{
	int fd = helper_open(path), r = fd < 0 ? fd : 0;
	char *text = NULL;
	size_t len = 0;
	ssize_t n = 0;

	if (r == 0 && !(text = calloc(1, max + 2)))
		r = -ENOMEM;
	while (r == 0 && len <= max) {
		n = read(fd, text + len, max + 1 - len);
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	if (r == 0 && n < 0)
		r = -errno;
	if (r == 0 && (len > max || memchr(text, '\0', len)))
		r = -EFBIG;
	if (fd >= 0)
		close(fd);
	if (r < 0) {
		secret_wipe_block(text);
		return r;
	}
	while (len && strchr(" \t\r\n", text[len - 1]))
		text[--len] = '\0';
	*ret = text;
	return 0;
}

static char *below(const char *home, const char *path)
{
	char *whole;

	return asprintf(&whole, "%s/%s", home, path) < 0 ? NULL : whole;
}

char *cred_home_path(const char *path)
{
	struct passwd pw, *found = NULL;
	char data[4096];

	if (strncmp(path, "~/", 2) != 0)
		return strdup(path);
	if (cred_getenv("HOME"))
		return below(cred_getenv("HOME"), path + 2);
	if (getpwuid_r(getuid(), &pw, data, sizeof data, &found) != 0 || !found)
		return strdup(path);
	return below(pw.pw_dir, path + 2);
}

static int zone(const char *s, int64_t *ret)
{
	int hours, minutes, end = -1;

	*ret = 0;
	if (strcmp(s, "") == 0 || strcmp(s, "Z") == 0 || strcmp(s, "UTC") == 0)
		return 0;
	if (*s != '+' && *s != '-')
		return -EINVAL;
	if (sscanf(s + 1, "%2d:%2d%n", &hours, &minutes, &end) != 2 || s[1 + end] != '\0') {
		end = -1;
		if (sscanf(s + 1, "%2d%2d%n", &hours, &minutes, &end) != 2 || s[1 + end] != '\0')
			return -EINVAL;
	}
	*ret = (*s == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return 0;
}

int cred_time(const char *text, int64_t *ret)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t offset;

	if (!end)
		return -EINVAL;
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (zone(end, &offset) < 0)
		return -EINVAL;
	*ret = (int64_t)timegm(&tm) - offset;
	return 0;
}
