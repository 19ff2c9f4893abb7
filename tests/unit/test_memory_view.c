/*
 * Views and days without memory: whatever is asked, and whichever allocation is refused on the way, the
 * answer is the right one or -ENOMEM, and the right one when it is asked again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "fs/view_private.h"
#include "tests/days_model.h"
#include "tests/memory/memory.h"

#define SEEDS    4
#define TEXT_MAX (256 << 10)

/* ---- answers, as texts ---- */

struct asked {
	struct model *m;
	struct days *days;
	struct view *view;
	uint32_t filter;
	enum facet facet;
	char *text; /* of the answer */
	size_t len;
};

typedef int ask(struct asked *a);

static void __attribute__((format(printf, 2, 3))) say(struct asked *a, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	a->len += (size_t)vsnprintf(a->text + a->len, TEXT_MAX - a->len, format, args);
	va_end(args);
	assert_true(a->len < TEXT_MAX);
}

static void say_name(struct asked *a, const struct day *d, struct place at)
{
	char name[NAME_LEN_MAX + 1];

	view_name(d, at, name);
	say(a, "%s\n", name);
}

static int ask_values(struct asked *a)
{
	struct view_value *v;
	size_t n;
	int err = view_values(a->view, a->m->snapshot, a->filter, a->facet, &v, &n);

	for (size_t i = 0; i < n && !err; i++)
		say(a, "%.*s %lld\n", (int)v[i].value.len, v[i].value.p, (long long)v[i].newest);
	if (!err)
		free(v);
	return err;
}

static int ask_value(struct asked *a)
{
	static const char *const names[] = {"alice", "bob", "arn:2", "Run", "111122223333", "nobody", "%"};
	int err = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !err; i++) {
		struct view_value v;

		err = view_find_value(
			a->view, a->m->snapshot, a->filter, a->facet, names[i], strlen(names[i]), &v);
		if (!err)
			say(a, "%s %lld\n", names[i], (long long)v.newest);
		err = err == -ENOENT ? 0 : err;
	}
	return err;
}

static int ask_newest(struct asked *a)
{
	int64_t newest = 0;
	int err = view_facet_newest(a->view, a->m->snapshot, a->filter, a->facet, &newest);

	say(a, "%lld\n", (long long)newest);
	return err;
}

static int ask_days(struct asked *a)
{
	struct view_days *d;
	int err = view_days(a->view, a->m->snapshot, a->filter, &d);

	if (err)
		return err;
	for (size_t i = 0; i < d->n; i++)
		say(a, "%d %u\n", d->day[i].day, d->day[i].newest);
	view_days_unref(d);
	return 0;
}

static int ask_rows(struct asked *a)
{
	int err = 0;

	for (int i = 0; i <= DAYS && !err; i++) {
		struct view_rows *r;

		err = view_rows(
			a->view, a->m->snapshot, a->filter, i == DAYS ? SEGMENT_UNDATED : DAY0 + i, &r);
		if (err)
			break;
		for (size_t k = 0; k < r->n; k++)
			say_name(a, r->day, r->at[k]);
		view_rows_unref(r);
	}
	return err;
}

/* By name and by ID, without listing. */
static int ask_event(struct asked *a)
{
	int err = 0;

	for (uint32_t i = 0; i < a->m->n && i < 20 && !err; i++) {
		const struct model_row *r = &a->m->row[i];
		const char *id = r->is->e.id ? r->is->e.id : "00000000000000ff";
		struct place at;
		struct day *d;

		err = view_find(a->view, a->m->snapshot, a->filter, day_of(r->is->e.time), r->name,
			strlen(r->name), &d, &at);
		if (!err) {
			say_name(a, d, at);
			day_unref(d);
			err = view_find_id(a->view, a->m->snapshot, id, strlen(id), &d, &at);
		}
		if (!err) {
			say_name(a, d, at);
			day_unref(d);
		}
		err = err == -ENOENT ? 0 : err;
	}
	return err;
}

static int ask_numbers(struct asked *a)
{
	struct place *at;
	struct day *d;
	size_t n;
	int err = days_get(a->days, a->m->snapshot, DAY0, &d);

	if (err)
		return err;
	for (uint32_t i = 0; i < a->m->n && !err; i++) {
		err = day_numbered(d, a->m->row[i].stem, &at, &n);
		for (size_t k = 0; k < n && !err; k++)
			say(a, "%u ", day_clash(d, at[k]));
		if (!err)
			free(at);
	}
	say(a, "%u\n", d->shown);
	day_unref(d);
	return err;
}

/* ---- the sweep ---- */

struct sweep {
	struct model *m;
	ask *ask;
	enum facet facet;
	int filter;
	char *wanted, *text;
};

/* Under nothing, under a value and a range, under a value that decides which days are to be settled. */
#define FILTERS 3

static int ask_under(const struct sweep *s, struct asked *a)
{
	struct range two = {.from = DAY0 * 86400ll, .until = (DAY0 + 2) * 86400ll};
	int err = 0;

	a->filter = VIEW_ALL;
	a->len = 0;
	a->text[0] = '\0';
	if (s->filter == 1)
		err = view_filter(a->view, VIEW_ALL, FACET_RESOURCE, made_value("arn:2"), &a->filter);
	if (s->filter == 1 && !err)
		err = view_filter_range(a->view, a->filter, "some", &two, &a->filter);
	if (s->filter == 2)
		err = view_filter(a->view, VIEW_ALL, FACET_ACCOUNT, made_value("111122223333"), &a->filter);
	return err ? err : s->ask(a);
}

static void play(void *arg)
{
	struct sweep *s = arg;
	struct asked a = {.m = s->m, .facet = s->facet, .text = s->text};
	int err = -ENOMEM;

	memory_on();
	a.days = days_new(s->m->since, s->m->until);
	a.view = a.days ? view_new(a.days) : NULL;
	if (a.view)
		err = ask_under(s, &a);
	memory_off();
	assert_true(err == 0 || err == -ENOMEM);
	if (err == 0 && s->wanted)
		assert_string_equal(a.text, s->wanted);
	if (a.view) {
		assert_int_equal(ask_under(s, &a), 0);
		if (!s->wanted)
			s->wanted = strdup(a.text);
		assert_string_equal(a.text, s->wanted);
	}
	view_free(a.view);
	days_free(a.days);
}

static void sweep(ask *what, bool each_facet)
{
	struct sweep s = {.ask = what, .text = malloc(TEXT_MAX)};
	struct model m;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		model_make(&m, seed);
		s.m = &m;
		for (int f = 0; f < (each_facet ? FACET_COUNT : 1); f++)
			for (s.filter = 0; s.filter < FILTERS; s.filter++) {
				s.facet = (enum facet)f;
				memory_sweep(play, &s);
				free(s.wanted);
				s.wanted = NULL;
			}
		model_free(&m);
	}
	free(s.text);
}

static void values(void **state)
{
	(void)state;
	sweep(ask_values, true);
	sweep(ask_value, true);
	sweep(ask_newest, true);
}

static void days(void **state)
{
	(void)state;
	sweep(ask_days, false);
}

static void rows(void **state)
{
	(void)state;
	sweep(ask_rows, false);
}

static void events(void **state)
{
	(void)state;
	sweep(ask_event, false);
}

static void clashes(void **state)
{
	(void)state;
	sweep(ask_numbers, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(days),
		cmocka_unit_test(rows),
		cmocka_unit_test(events),
		cmocka_unit_test(clashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
