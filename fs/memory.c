/*
 * A group's limit also holds for those in it, so of a group and all above it the least counts. In a container
 * the path that we see may not be the one that is mounted; then its root is all there is to ask.
 */
#include "fs/memory.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number in a file; "max", or no such file: UINT64_MAX. */
static uint64_t read_limit(const char *root, const char *group, const char *name)
{
	char path[PATH_MAX + 64], text[32] = "";
	uint64_t limit = UINT64_MAX;
	FILE *file;
	char *end;

	snprintf(path, sizeof(path), "%s%s/%s", root, group, name);
	file = fopen(path, "re");
	if (!file)
		return limit;
	if (fgets(text, sizeof(text), file) && text[0] >= '0' && text[0] <= '9')
		limit = strtoull(text, &end, 10);
	fclose(file);
	return limit;
}

static uint64_t least_of(const char *root, char *group, const char *name)
{
	uint64_t least = read_limit(root, "", name);
	char *slash;

	while ((slash = strrchr(group, '/'))) {
		uint64_t limit = read_limit(root, group, name);

		least = limit < least ? limit : least;
		*slash = '\0';
	}
	return least;
}

/* Of a line of /proc/self/cgroup: NUMBER:CONTROLLERS:GROUP. */
static uint64_t limit_of(char *line)
{
	char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!group)
		return UINT64_MAX;
	*group++ = '\0';
	group[strcspn(group, "\n")] = '\0';
	if (!controllers[1])
		return least_of("/sys/fs/cgroup", group, "memory.max");
	return !strcmp(controllers + 1, "memory")
		       ? least_of("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes")
		       : UINT64_MAX;
}

/* What this machine has. */
static uint64_t machine(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_MAX;
}

uint64_t memory_limit(void)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	uint64_t least = machine();
	char line[PATH_MAX + 64];

	if (!file)
		return least;
	while (fgets(line, sizeof(line), file)) {
		uint64_t limit = limit_of(line);

		least = limit < least ? limit : least;
	}
	fclose(file);
	return least;
}
