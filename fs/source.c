/*
 * What all sources share: the filter, and the way to their verbs.
 */
#include "fs/source.h"

#include <string.h>

#define DAY_SECONDS 86400

/* A key that does not say is admitted. */
static bool among(struct value v, const char *const *list, size_t n)
{
	if (n == 0 || !v.p)
		return true;
	for (size_t i = 0; i < n; i++) {
		if (strlen(list[i]) == v.len && memcmp(list[i], v.p, v.len) == 0)
			return true;
	}
	return false;
}

static int32_t day_of(int64_t second)
{
	int64_t day = second / DAY_SECONDS - (second % DAY_SECONDS < 0);

	return day < INT32_MIN + 1 ? INT32_MIN + 1 : day > INT32_MAX - 1 ? INT32_MAX - 1 : (int32_t)day;
}

void source_filter_range(struct source_filter *f, int64_t since, int64_t until)
{
	f->first_day = since == INT64_MIN ? INT32_MIN + 1 : day_of(since);
	f->last_day = until == INT64_MAX ? INT32_MAX : day_of(until) + 1;
}

bool source_filter_admits(const struct source_filter *f, const struct key_info *key)
{
	if (!f)
		return true;
	if (key->day != KEY_NO_DAY && (key->day < f->first_day || key->day > f->last_day))
		return false;
	return among(key->account, f->account, f->n_account) && among(key->region, f->region, f->n_region);
}

int source_list(struct source *s, int32_t day, const struct source_filter *f, const struct source_sink *sink)
{
	return s->ops->list(s, day, f, sink);
}

void source_fetch(struct source *s, const struct source_object *o, size_t n, source_done *done, void *arg)
{
	s->ops->fetch(s, o, n, done, arg);
}

bool source_doubt(struct source *s, const struct source_object *o)
{
	return s->ops->doubt && s->ops->doubt(s, o);
}

int source_read(
	struct source *s, const struct source_object *o, uint64_t offset, void *buf, size_t n, size_t *ret_n)
{
	return s->ops->read(s, o, offset, buf, n, ret_n);
}

void source_cancel(struct source *s)
{
	s->ops->cancel(s);
}

void source_free(struct source *s)
{
	if (s)
		s->ops->free(s);
}

int source_check(struct source *s)
{
	return s->ops->check ? s->ops->check(s) : 0;
}

void source_reload(struct source *s)
{
	if (s->ops->reload)
		s->ops->reload(s);
}

void source_explain(struct source *s, char message[SOURCE_MESSAGE_MAX])
{
	message[0] = '\0';
	if (s->ops->explain)
		s->ops->explain(s, message);
}

struct source_requests source_requests(struct source *s)
{
	return s->ops->requests ? s->ops->requests(s) : (struct source_requests){0};
}
