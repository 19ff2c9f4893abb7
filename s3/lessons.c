/*
 * Nothing that an answer says is believed further than it must be: a region is a word of letters, digits and
 * hyphens, a host one that the endpoint trusts, and neither is followed for ever.
 */
#include "s3/lessons.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "s3/compose.h"
#include "s3/list_xml.h"

#define REDIRECTS_MAX 3

/* A region becomes part of a host's name. */
static bool is_region(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n < S3_REGION_MAX && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
	       s[0] != '-' && s[n - 1] != '-';
}

/* Whether the answer names a region other than the one it was signed for; it is that of all requests then. */
static bool learn_region(struct request *r, const struct http_answer *a, const struct error_xml *x)
{
	const char *region = a->region[0] ? a->region : x->region;
	struct s3 *s = r->s;

	if (a->status != 301 && a->status != 302 && a->status != 307 && a->status != 308 &&
		a->status != 400 && a->status != 403)
		return false;
	if (!is_region(region) || strcmp(region, r->region) == 0 || r->redirects >= REDIRECTS_MAX)
		return false;
	r->redirects++;
	r->elsewhere[0] = '\0';
	pthread_mutex_lock(&s->lock);
	bool news = strcmp(s->region, region) != 0;
	snprintf(s->region, sizeof(s->region), "%s", region);
	pthread_mutex_unlock(&s->lock);
	if (news)
		s3_say(s, S3_LOG_INFO, "s3://%s is in region %s", s->bucket, region);
	return true;
}

/* Whether the answer sends us to another host that may see our signature. */
static bool learn_host(struct request *r, const struct http_answer *a, const struct error_xml *x)
{
	static const char https[] = "https://", http[] = "http://";
	const char *p = a->location;
	char host[sizeof(r->elsewhere)], reason[160];
	struct endpoint e;
	bool secure = strncmp(p, https, sizeof(https) - 1) == 0;

	if ((a->status != 301 && a->status != 302 && a->status != 307 && a->status != 308) ||
		r->redirects >= REDIRECTS_MAX || compose_endpoint(r, &e, reason) < 0)
		return false;
	if (secure)
		p += sizeof(https) - 1;
	else if (strncmp(p, http, sizeof(http) - 1) == 0 && strcmp(e.scheme, "http") == 0)
		p += sizeof(http) - 1;
	else if (!*p && x->endpoint[0])
		p = x->endpoint;
	else
		return false;
	size_t n = strcspn(p, "/?#");
	if (n == 0 || n >= sizeof(host) || memchr(p, '@', n))
		return false;
	memcpy(host, p, n);
	host[n] = '\0';
	if (strcmp(host, e.host) == 0 || !endpoint_trusts(&e, r->s->bucket, host, r->s->url != NULL))
		return false;
	r->redirects++;
	memcpy(r->elsewhere, host, n + 1);
	return true;
}

static bool learn_clock(struct request *r, const struct http_answer *a, const struct error_xml *x)
{
	int64_t server = a->date[0] ? (int64_t)curl_getdate(a->date, NULL) : -1;

	if (r->clock_set ||
		(strcmp(x->code, "RequestTimeTooSkewed") != 0 && strcmp(x->code, "RequestExpired") != 0))
		return false;
	if (server < 0 && x->server_time[0] && list_xml_time(x->server_time) != INT64_MIN)
		server = list_xml_time(x->server_time) / 1000000000;
	if (server < 0)
		return false;
	int64_t ahead = server - (int64_t)time(NULL);
	r->clock_set = true;
	pthread_mutex_lock(&r->s->lock);
	r->s->clock_ahead = ahead;
	pthread_mutex_unlock(&r->s->lock);
	s3_say(r->s, S3_LOG_WARNING,
		"this machine's clock is %lld seconds %s the service's; requests are dated by its",
		(long long)(ahead < 0 ? -ahead : ahead), ahead < 0 ? "ahead of" : "behind");
	return true;
}

static bool renew_keys(struct request *r, const struct error_xml *x)
{
	static const char *const expired[] = {
		"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"};

	if (r->keys_renewed || !r->keys)
		return false;
	for (size_t i = 0; i < sizeof(expired) / sizeof(*expired); i++) {
		if (strcmp(x->code, expired[i]) == 0) {
			r->keys_renewed = true;
			resolver_expire(r->s->resolver, r->keys);
			return true;
		}
	}
	return false;
}

bool lessons_learn(struct request *r, const struct http_answer *a, const struct error_xml *x)
{
	return learn_region(r, a, x) || learn_host(r, a, x) || learn_clock(r, a, x) || renew_keys(r, x);
}
