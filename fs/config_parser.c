/*
 * What the parser writes: the error, and copies of strings that live as long as the configuration.
 */
#include "fs/config_parser.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What config->storage points to: a list of strings. */
struct text {
	struct text *next;
	char s[];
};

int config_fail(struct config_parser *p, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(p->error, CONFIG_ERROR_MAX, format, ap);
	va_end(ap);
	for (char *c = p->error; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return -EINVAL;
}

int config_keep(struct config_parser *p, const char *s, size_t n, const char **ret)
{
	struct text *text = malloc(sizeof(*text) + n + 1);

	if (!text)
		return -ENOMEM;
	memcpy(text->s, s, n);
	text->s[n] = '\0';
	text->next = p->config->storage;
	p->config->storage = text;
	*ret = text->s;
	return 0;
}

void config_free_kept(struct config *config)
{
	struct text *next;

	for (struct text *text = config->storage; text; text = next) {
		next = text->next;
		free(text);
	}
	config->storage = NULL;
}

/* Takes what is in the buffer as a kept string; empties it. */
static int keep_buf(struct config_parser *p, struct buf *b, const char **ret)
{
	int r = b->failed ? -ENOMEM : config_keep(p, b->data ? b->data : "", b->len, ret);

	buf_clear(b);
	return r;
}

/* Appends the components of path: "." and empty ones go, ".." takes one back. By the letters alone, because
 * the path need not exist and a dead mount point cannot be asked. */
static void add_components(struct buf *b, const char *path)
{
	size_t n;

	for (; *path; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 0 || (n == 1 && path[0] == '.'))
			continue;
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (b->len > 0 && b->data[--b->len] != '/')
				;
			continue;
		}
		buf_addc(b, '/');
		buf_add(b, path, n);
	}
}

int config_keep_absolute(struct config_parser *p, const char *path, const char **ret)
{
	struct buf b = {0};
	char *cwd;

	if (path[0] != '/') {
		cwd = getcwd(NULL, 0);
		if (!cwd && errno == ENOMEM)
			return -ENOMEM;
		if (!cwd)
			return config_fail(p, "%.*s: the current directory is gone; give an absolute path",
				CONFIG_QUOTE_MAX, path);
		add_components(&b, cwd);
		free(cwd);
	}
	add_components(&b, path);
	if (b.len == 0)
		buf_addc(&b, '/');
	return keep_buf(p, &b, ret);
}
