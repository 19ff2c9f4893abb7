/*
 * A client: what is set, by the caller or the environment, and the parts that it is made of.
 */
#include "s3/s3.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "s3/client.h"

#define DEFAULT_REGION "us-east-1"
#define AWS_HOST       "s3.amazonaws.com"
#define LINE_MAX_BYTES 1400

void s3_say(struct s3 *s, enum s3_level level, const char *format, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;

	if (!s->log)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	s->log(s->log_arg, (int)level, text);
}

bool s3_is_cancelled(struct s3 *s)
{
	pthread_mutex_lock(&s->lock);
	bool cancelled = s->cancelled;
	pthread_mutex_unlock(&s->lock);
	return cancelled;
}

int64_t s3_monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- settings ---- */

static bool is_true(const char *value)
{
	return value && strcasecmp(value, "true") == 0;
}

/* The option, else the setting; "" is none. */
static const char *chosen(struct s3 *s, const char *option, const char *name)
{
	const char *value = option && *option ? option : credentials_setting(s->credentials, name);

	return value && *value ? value : NULL;
}

/* A copy; NULL stays NULL. False: no memory. */
static bool copy(char **ret, const char *value)
{
	*ret = value ? strdup(value) : NULL;
	return !value || *ret;
}

/* The authority of a URL. new, or NULL: no memory. */
static char *host_of(const char *url)
{
	const char *p = url ? strstr(url, "://") : NULL;

	if (!url)
		return strdup(AWS_HOST);
	p = p ? p + 3 : url;
	return strndup(p, strcspn(p, "/?#"));
}

static int read_settings(struct s3 *s, const struct s3_options *o)
{
	const char *url = chosen(s, o->endpoint_url, "endpoint_url_s3");
	const char *region = chosen(s, o->region, "region");
	const char *style = chosen(s, NULL, "s3.addressing_style");
	const char *attempts = chosen(s, NULL, "max_attempts");

	s->anonymous = o->no_sign_request;
	s->payer = o->request_payer;
	s->path_style = o->force_path_style || (style && strcasecmp(style, "path") == 0);
	s->virtual_host = style && strcasecmp(style, "virtual") == 0;
	s->dualstack = is_true(chosen(s, NULL, "use_dualstack_endpoint"));
	s->fips = is_true(chosen(s, NULL, "use_fips_endpoint"));
	s->timeout = o->timeout ? o->timeout : 60;
	s->max_attempts = attempts ? (int)strtol(attempts, NULL, 10) : RETRY_ATTEMPTS;
	if (s->max_attempts < 1 || s->max_attempts > 100)
		s->max_attempts = RETRY_ATTEMPTS;
	snprintf(s->region, sizeof(s->region), "%s", region ? region : DEFAULT_REGION);
	s->host = host_of(url);
	return s->host && copy(&s->bucket, o->bucket) && copy(&s->url, url) &&
			       copy(&s->owner, o->expected_bucket_owner) &&
			       copy(&s->ca_bundle, chosen(s, o->ca_bundle, "ca_bundle"))
		       ? 0
		       : -ENOMEM;
}

/* That a request can be composed at all. */
static int check_endpoint(const struct s3 *s, char message[S3_MESSAGE_MAX])
{
	struct endpoint_options o = {
		.bucket = s->bucket,
		.region = s->region,
		.url = s->url,
		.path_style = s->path_style,
		.dualstack = s->dualstack,
		.fips = s->fips,
		.virtual_host = s->virtual_host,
	};
	struct endpoint e;
	char reason[160] = "";
	int error = endpoint_make(&o, &e, reason);

	if (error < 0)
		snprintf(message, S3_MESSAGE_MAX, "s3://%s%s%s: %s", s->bucket, s->url ? " at " : "",
			s->url ? s->url : "", reason);
	return error;
}

/* ---- life ---- */

static int open_parts(struct s3 *s, const struct s3_options *o, char message[S3_MESSAGE_MAX])
{
	struct credentials_options co = {
		.profile = o->profile,
		.region = o->region,
		.ca_bundle = o->ca_bundle,
		.timeout = o->timeout,
		.log = o->log,
		.log_arg = o->log_arg,
	};
	struct http_options ho = {.connections = o->connections ? o->connections : 64};
	int error = credentials_new(&co, &s->credentials);

	if (error == 0)
		error = read_settings(s, o);
	if (error == 0 && (error = check_endpoint(s, message)) < 0)
		return error;
	if (error == 0)
		error = resolver_new(s->credentials, &s->resolver);
	if (error == 0) {
		ho.ca_bundle = s->ca_bundle;
		error = http_new(&ho, &s->http);
	}
	if (error < 0)
		snprintf(message, S3_MESSAGE_MAX, "s3://%s: cannot start: %s", o->bucket, strerror(-error));
	return error;
}

int s3_open(const struct s3_options *o, struct s3 **ret, char message[S3_MESSAGE_MAX])
{
	struct s3 *s = calloc(1, sizeof(*s));

	snprintf(message, S3_MESSAGE_MAX, "out of memory");
	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->log = o->log;
	s->log_arg = o->log_arg;
	s->quota.tokens = RETRY_QUOTA;
	s->random = (uint32_t)s3_monotonic_ms();
	int error = open_parts(s, o, message);
	if (error < 0) {
		s3_free(s);
		return error;
	}
	*ret = s;
	return 0;
}

void s3_start(struct s3 *s)
{
	pthread_mutex_lock(&s->lock);
	bool start = !s->started && !s->cancelled;
	s->started = s->started || start;
	pthread_mutex_unlock(&s->lock);
	if (!start)
		return;
	int error = s->anonymous ? 0 : resolver_start(s->resolver);
	if (error == 0)
		error = http_start(s->http);
	if (error < 0) {
		s3_say(s, S3_LOG_ERROR, "s3://%s: cannot start a thread: %s", s->bucket, strerror(-error));
		s3_cancel(s);
	}
}

void s3_cancel(struct s3 *s)
{
	pthread_mutex_lock(&s->lock);
	s->cancelled = true;
	pthread_mutex_unlock(&s->lock);
	resolver_cancel(s->resolver);
	http_cancel_all(s->http);
}

void s3_free(struct s3 *s)
{
	if (!s)
		return;
	if (s->resolver && s->http)
		s3_cancel(s);
	/* Each may still be asked by the other's last callbacks. */
	if (s->resolver)
		resolver_stop(s->resolver);
	http_free(s->http);
	resolver_free(s->resolver);
	credentials_free(s->credentials);
	sign_key_clear(&s->sign_key);
	pthread_mutex_destroy(&s->lock);
	free(s->bucket);
	free(s->url);
	free(s->owner);
	free(s->host);
	free(s->ca_bundle);
	free(s);
}

void s3_reload(struct s3 *s)
{
	pthread_mutex_lock(&s->lock);
	s->refused_until = 0;
	s->reloads++;
	pthread_mutex_unlock(&s->lock);
	resolver_reload(s->resolver);
}

const char *s3_host(const struct s3 *s)
{
	return s->host;
}

const char *s3_ca_bundle(const struct s3 *s)
{
	return s->ca_bundle;
}

int64_t s3_clock_ahead(struct s3 *s)
{
	pthread_mutex_lock(&s->lock);
	int64_t ahead = s->listed_ahead;
	pthread_mutex_unlock(&s->lock);
	return ahead;
}

struct s3_stats s3_stats(struct s3 *s)
{
	pthread_mutex_lock(&s->lock);
	struct s3_stats stats = s->stats;
	pthread_mutex_unlock(&s->lock);
	return stats;
}
