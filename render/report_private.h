/*
 * What the parts of the page share: report.c (its order), report_chart.c (the timeline), report_lists.c
 * (tables), report_style.c (how it looks).
 */
#ifndef RENDER_REPORT_PRIVATE_H
#define RENDER_REPORT_PRIVATE_H

#include "render/html.h"
#include "render/report.h"

extern const char report_style[];

void report_chart(struct buf *out, const struct report *r);
/* The lists of what is most frequent; what deserves a look. */
void report_lists(struct buf *out, const struct report *r);
void report_findings(struct buf *out, const struct report *r);

/* "<b>1,234</b> events". */
void report_count(struct buf *out, uint64_t n, const char *one, const char *many);
/* The word for a facet's value ("address"), and for several. */
extern const char *const report_word[FACET_COUNT], *const report_words[FACET_COUNT];

#endif
