/*
 * The files that the tree writes itself: README, ERRORS, .trailfs/status, .trailfs/metrics. A file is made
 * when its attributes are asked for, and those bytes are what is then read, so that size and contents agree.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fs/clock.h"
#include "fs/log.h"
#include "fs/source.h"
#include "fs/store/pack.h"
#include "fs/tree_private.h"
#include "render/buf.h"

#define NS    1000000000ll
#define FRESH (NS / 4) /* a status as old as this is made anew */

/* ---- README ---- */

static const char readme_text[] =
	"Every CloudTrail event of the source below is a file here, laid out to be read.\n"
	"\n"
	"    events/YYYY/MM/DD/HHMMSSZ_EVENT_ID.json   all events, by the UTC day on which they happened\n"
	"    by-user/NAME/YYYY/MM/DD/...               the events of one user; the same shape for\n"
	"    by-event  by-ip  by-service  by-account  by-region  by-role  by-access-key  by-error\n"
	"    by-resource  by-type  by-category  by-access  by-agent\n"
	"    AWSLogs/...                               the objects as they are in the source, inflated\n"
	"    ERRORS                                    only when something could not be read: what, and why\n"
	"    .trailfs/status  .trailfs/metrics         how far the index is, and what it has cost\n"
	"\n"
	"Not listed, but there in each of these directories, one in the other and in any order:\n"
	"    by-VIEW/NAME/    @2025-06-18T09..2025-06-18T17/    @2025-06/    @24h/    @7d/\n"
	"and here by-id/EVENTID.json. And, not listed either, all events below a directory in one file:\n"
	"    all.jsonl  all.json  all.csv  count       in by-VIEW: counts.tsv, most first\n"
	"and report.html, a page about them for a browser\n"
	"and here live.jsonl: what comes from now on. Follow it with tail -F live.jsonl\n"
	"\n"
	"Try:\n"
	"    ls by-user\n"
	"    ls by-error/AccessDenied/2*/*/*\n"
	"    ls by-user/alice/@7d/by-ip\n"
	"    cat by-error/counts.tsv by-user/alice/@7d/count\n"
	"    grep -rl 198.51.100.7 events/2025/06/19\n"
	"    cat by-event/ConsoleLogin/2025/06/19/* | jq -r '[.eventTime, .userIdentity.arn] | @tsv'\n"
	"    tar cf evidence.tar by-access-key/AKIAEXAMPLE\n"
	"\n"
	"An event that two trails delivered shows once. A directory is complete when it is listed: until the "
	"first\n"
	"index is built, ls waits for what it needs (Ctrl-C ends it), and cat .trailfs/status says how far "
	"it is.\n"
	"\n";

/* For a terminal, and for a text that has to be UTF-8. new, or NULL: no memory. */
static char *printable_source(const struct tree *t)
{
	char *source = strdup(t->options.source);
	if (source)
		log_clean(source);
	return source;
}

static void make_readme(struct tree *t, struct buf *b)
{
	buf_adds(b, readme_text);
	char *source = printable_source(t);
	buf_addf(b, "Source: %s\n", source ? source : "");
	b->failed |= !source;
	free(source);
}

/* ---- ERRORS ---- */

/* Keys with what would break a line, tell a terminal something, or is not text, percent-encoded. */
static void add_key(struct buf *b, const char *key)
{
	while (*key) {
		size_t n = *key == '%' ? 0 : log_printable(key);

		if (n)
			buf_add(b, key, n);
		else
			buf_addf(b, "%%%02X", (unsigned char)*key);
		key += n ? n : 1;
	}
}

static int add_problem(void *arg, const char *key, const char *reason)
{
	struct buf *b = arg;

	if (!*key)
		buf_addc(b, '/');
	add_key(b, key);
	buf_addc(b, '\t');
	/* A reason may quote what stands in the object, which may be anything. */
	for (; *reason; reason++)
		buf_addc(b, *reason >= ' ' && *reason <= '~' ? *reason : '?');
	buf_addc(b, '\n');
	return 0;
}

/* ---- status ---- */

/* What the mount adds; see struct tree_options. */
struct putting {
	json_t *object;
	struct buf *b;
};

static void put_json(void *arg, const char *name, const char *help, const char *label, double value)
{
	struct putting *p = arg;
	char key[128];

	(void)help;
	snprintf(key, sizeof(key), "%s%s%s", name, label ? " " : "", label ? label : "");
	json_object_set_new(p->object, key, json_integer((json_int_t)value));
}

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *kept(struct packs *packs)
{
	struct packs_stats k = packs_stats(packs);

	return json_pack("{s:o s:o s:o s:o s:o}", "bytes", count(k.bytes), "limit", count(k.limit), "found",
		count(k.found), "put", count(k.put), "dropped", count(k.dropped));
}

static json_t *asked(struct source *bucket)
{
	struct source_requests r = source_requests(bucket);

	return json_pack("{s:o s:o s:o s:o s:o s:o s:o}", "gets", count(r.gets), "lists", count(r.lists),
		"retries", count(r.retries), "throttled", count(r.throttled), "failed", count(r.failed),
		"bytes", count(r.bytes), "in_flight", count(r.in_flight));
}

static void make_status(struct tree *t, struct buf *b)
{
	struct catalog_counts c = catalog_counts(t->catalog);
	struct reader_stats r = reader_stats(t->reader);
	struct tree_totals sum = tree_totals(t);
	json_t *root = json_object(), *requests = json_object();
	struct putting p = {requests, NULL};
	char *text, *source = printable_source(t);

	json_object_set_new(root, "source", source ? json_string(source) : NULL);
	free(source);
	json_object_set_new(root, "complete", json_boolean(c.complete));
	json_object_set_new(root, "listed", json_boolean(c.listed));
	json_object_set_new(root, "objects",
		json_pack("{s:o s:o s:o s:o s:o s:o}", "all", count(c.objects), "waiting", count(c.waiting),
			"ready", count(c.ready), "failed", count(c.failed), "damaged", count(c.damaged),
			"read", count(c.read_objects)));
	json_object_set_new(root, "bytes",
		json_pack("{s:o s:o}", "all", count(c.bytes_total), "done", count(c.bytes_done)));
	json_object_set_new(root, "events",
		json_pack("{s:o s:o s:o}", "shown", count(sum.events), "bytes", count(sum.pretty),
			"delivered", count(c.rows)));
	json_object_set_new(root, "index",
		json_pack("{s:o s:o}", "segments", count(c.parts), "bytes", count(c.segment_bytes)));
	if (t->options.packs)
		json_object_set_new(root, "cache", kept(t->options.packs));
	if (t->options.bucket)
		json_object_set_new(root, "bucket", asked(t->options.bucket));
	json_object_set_new(root, "listings", count(c.listings));
	json_object_set_new(root, "failed_listings", count(c.failed_listings));
	json_object_set_new(root, "listed_at", c.listed_at ? json_integer(c.listed_at) : json_null());
	json_object_set_new(root, "errors", count(c.problems));
	json_object_set_new(root, "reads",
		json_pack("{s:o s:o s:o s:o}", "objects", count(r.fetched), "bytes", count(r.fetched_bytes),
			"failed", count(r.failed), "held", count(r.held)));
	if (t->options.metrics)
		t->options.metrics(t->options.metrics_arg, put_json, &p);
	json_object_set_new(root, "requests", requests);
	text = json_dumps(root, JSON_INDENT(2));
	buf_adds(b, text ? text : "{}");
	buf_addc(b, '\n');
	b->failed |= !text;
	free(text);
	json_decref(root);
}

/* ---- metrics ---- */

static void put_metric(void *arg, const char *name, const char *help, const char *label, double value)
{
	struct putting *p = arg;

	if (help && *help)
		buf_addf(p->b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
			strstr(name, "_total") ? "counter" : "gauge");
	if (label)
		buf_addf(p->b, "%s{%s} %.0f\n", name, label, value);
	else
		buf_addf(p->b, "%s %.0f\n", name, value);
}

struct metric {
	const char *name, *help, *label;
	uint64_t value;
};

static void put_metrics(struct putting *p, const struct metric *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_metric(p, m[i].name, m[i].help, m[i].label, (double)m[i].value);
}

static void put_asked(struct putting *p, struct source *bucket)
{
	struct source_requests r = source_requests(bucket);
	const struct metric m[] = {
		{"trailfs_s3_requests_total", "Requests to the bucket, repeats included.", "op=\"get\"",
			r.gets},
		{"trailfs_s3_requests_total", NULL, "op=\"list\"", r.lists},
		{"trailfs_s3_retries_total", "Of these, repeats.", NULL, r.retries},
		{"trailfs_s3_throttled_total", "Answers that said to slow down.", NULL, r.throttled},
		{"trailfs_s3_failed_total", "What was asked for and was not had.", NULL, r.failed},
		{"trailfs_s3_received_bytes_total", "Bytes of answers.", NULL, r.bytes},
		{"trailfs_s3_requests_in_flight", "Requests under way now.", NULL, r.in_flight},
	};

	put_metrics(p, m, sizeof(m) / sizeof(*m));
}

static void make_metrics(struct tree *t, struct buf *b)
{
	struct catalog_counts c = catalog_counts(t->catalog);
	struct reader_stats r = reader_stats(t->reader);
	struct tree_totals sum = tree_totals(t);
	struct putting p = {NULL, b};
	const struct metric m[] = {
		{"trailfs_index_complete", "Whether everything that was listed is indexed.", NULL,
			c.complete},
		{"trailfs_objects", "Objects of the source, by state.", "state=\"waiting\"", c.waiting},
		{"trailfs_objects", NULL, "state=\"ready\"", c.ready},
		{"trailfs_objects", NULL, "state=\"failed\"", c.failed},
		{"trailfs_damaged_objects", "Objects that cannot be read (see ERRORS).", NULL, c.damaged},
		{"trailfs_problems", "Lines of ERRORS.", NULL, c.problems},
		{"trailfs_object_bytes", "Stored bytes of the objects to be indexed.", "state=\"all\"",
			c.bytes_total},
		{"trailfs_object_bytes", NULL, "state=\"done\"", c.bytes_done},
		{"trailfs_events", "Events shown.", NULL, sum.events},
		{"trailfs_event_bytes", "Bytes of the events shown.", NULL, sum.pretty},
		{"trailfs_delivered_events", "Records in the logs, duplicates included.", NULL, c.rows},
		{"trailfs_segments", "Segments in use.", NULL, c.parts},
		{"trailfs_segment_bytes", "Bytes of them.", NULL, c.segment_bytes},
		{"trailfs_listings_total", "Listings of the source.", NULL, c.listings},
		{"trailfs_failed_listings_total", "Listings that failed.", NULL, c.failed_listings},
		{"trailfs_last_listing_timestamp_seconds", "When the last one that did not fail began.", NULL,
			(uint64_t)c.listed_at},
		{"trailfs_indexed_objects_total", "Objects read to be indexed.", NULL, c.read_objects},
		{"trailfs_read_objects_total", "Objects read to serve their bytes.", NULL, r.fetched},
		{"trailfs_read_bytes_total", "Bytes of them.", NULL, r.fetched_bytes},
		{"trailfs_failed_reads_total", "Of these, those that failed.", NULL, r.failed},
		{"trailfs_held_bytes", "Inflated bytes held in memory.", NULL, r.held},
	};

	put_metrics(&p, m, sizeof(m) / sizeof(*m));
	if (t->options.bucket)
		put_asked(&p, t->options.bucket);
	if (t->options.packs) {
		struct packs_stats k = packs_stats(t->options.packs);

		put_metric(&p, "trailfs_cache_bytes", "Bytes of the source's folder in the cache.", NULL,
			(double)k.bytes);
		put_metric(
			&p, "trailfs_cache_limit_bytes", "What --cache-size allows.", NULL, (double)k.limit);
	}
	if (t->options.metrics)
		t->options.metrics(t->options.metrics_arg, put_metric, &p);
}

/* ---- totals ---- */

static int sum_up(struct tree *t, const struct snapshot *s, struct tree_totals *sum)
{
	struct view_days *days;
	int err = view_days(t->view, s, VIEW_ALL, &days);

	if (err)
		return err;
	for (size_t i = 0; i < days->n && !err; i++) {
		struct day *d;

		err = days_get(t->days, s, days->day[i].day, &d);
		if (err)
			break;
		sum->events += d->shown;
		for (uint32_t k = 0; k < d->n_slices; k++)
			for (uint32_t row = d->slice[k].first; row < d->slice[k].end; row++)
				if (slice_shows(&d->slice[k], row))
					sum->pretty += segment_row_pretty(d->slice[k].part->seg, row);
		day_unref(d);
	}
	view_days_unref(days);
	return err;
}

struct tree_totals tree_totals(struct tree *t)
{
	struct catalog_counts c = catalog_counts(t->catalog);
	struct tree_totals sum = {0};
	struct snapshot *s;

	/* While it grows, what was delivered is near enough and costs nothing. */
	if (!c.complete)
		return (struct tree_totals){.events = c.rows};
	s = catalog_snapshot(t->catalog);
	if (!s)
		return sum;
	pthread_mutex_lock(&t->lock);
	if (t->totals.generation == s->generation)
		sum = t->totals;
	pthread_mutex_unlock(&t->lock);
	if (!sum.generation && !sum_up(t, s, &sum)) {
		sum.generation = s->generation;
		pthread_mutex_lock(&t->lock);
		t->totals = sum;
		pthread_mutex_unlock(&t->lock);
	}
	snapshot_unref(s);
	return sum;
}

/* ---- the files ---- */

bool tree_has_errors(struct tree *t)
{
	return catalog_counts(t->catalog).problems > 0;
}

/* What ERRORS is made from, as a number that differs when it does. */
static uint64_t errors_about(struct tree *t)
{
	struct catalog_counts c = catalog_counts(t->catalog);

	return c.problems + c.read_objects * 1000003 + c.listings * 7919 + c.failed_listings * 104729;
}

static void make(struct tree *t, uint64_t node, struct buf *b)
{
	switch (node) {
	case NODE_README:
		make_readme(t, b);
		break;
	case NODE_ERRORS:
		if (catalog_problems(t->catalog, add_problem, b))
			b->failed = true;
		break;
	case NODE_STATUS:
		make_status(t, b);
		break;
	default:
		make_metrics(t, b);
	}
}

/* Makes the text anew where it is due. */
static int refresh(struct tree *t, uint64_t node)
{
	struct tree_text *x = &t->text[node];
	int64_t now = clock_now();
	uint64_t about = node == NODE_ERRORS ? errors_about(t) : 0;
	struct buf b = {0};
	bool due;

	pthread_mutex_lock(&t->lock);
	due = !x->made || (node == NODE_ERRORS && x->about != about) ||
	      (node > NODE_ERRORS && now - x->made > FRESH);
	pthread_mutex_unlock(&t->lock);
	if (!due)
		return 0;
	make(t, node, &b);
	if (b.failed) {
		buf_clear(&b);
		return -ENOMEM;
	}
	pthread_mutex_lock(&t->lock);
	if (!x->made || x->len != b.len || (b.len && memcmp(x->data, b.data, b.len) != 0))
		x->mtime = node == NODE_README ? t->started : clock_date();
	x->made = now;
	x->about = about;
	free(x->data);
	x->data = buf_steal(&b, &x->len);
	pthread_mutex_unlock(&t->lock);
	return 0;
}

int tree_text_stat(struct tree *t, uint64_t node, size_t *ret_len, int64_t *ret_mtime)
{
	int err = node < NODE_README || node > NODE_METRICS ? -ESTALE : refresh(t, node);

	if (err)
		return err;
	pthread_mutex_lock(&t->lock);
	*ret_len = t->text[node].len;
	*ret_mtime = t->text[node].mtime;
	pthread_mutex_unlock(&t->lock);
	return 0;
}

/* A file may be read through a handle without its attributes ever having been asked for. */
static int made_once(struct tree *t, uint64_t node)
{
	bool made;

	pthread_mutex_lock(&t->lock);
	made = t->text[node].made != 0;
	pthread_mutex_unlock(&t->lock);
	return made ? 0 : refresh(t, node);
}

/* Reads give what the last look at the attributes promised. */
int tree_text_read(struct tree *t, uint64_t node, uint64_t offset, size_t size, struct tree_bytes *ret)
{
	struct tree_text *x = &t->text[node];
	int err = node < NODE_README || node > NODE_METRICS ? -ESTALE : 0;
	size_t n;
	char *copy;

	if (!err)
		err = made_once(t, node);
	if (err)
		return err;
	pthread_mutex_lock(&t->lock);
	n = offset < x->len ? x->len - (size_t)offset : 0;
	n = n < size ? n : size;
	copy = malloc(n ? n : 1);
	if (copy && n)
		memcpy(copy, x->data + offset, n);
	pthread_mutex_unlock(&t->lock);
	if (!copy)
		return -ENOMEM;
	*ret = (struct tree_bytes){.data = copy, .n = n, .own = copy};
	return 0;
}
