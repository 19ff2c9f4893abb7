/*
 * A folder in which a scene is played again and again, each time from the same beginning. Include after
 * cmocka.h.
 */
#ifndef TESTS_DISK_STAGE_H
#define TESTS_DISK_STAGE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/disk/disk.h"
#include "tests/disk/scene.h"
#include "tests/unit/folder.h"

struct stage {
	const struct scene *scene;
	struct folder cache_dir;
	char folder[384];            /* of the source, in it */
	struct disk_image *prepared; /* what the folder holds in the beginning */
};

/* In memory, where that is possible: many small files are written. */
static inline void stage_folder(struct folder *f)
{
	snprintf(f->path, sizeof(f->path), "/dev/shm/trailfs-unit-XXXXXX");
	if (!mkdtemp(f->path))
		folder_make(f);
}

static inline int stage_open(void **state, const struct scene *scene)
{
	struct stage *s = calloc(1, sizeof(*s));
	const struct dirent *e;
	DIR *dir;

	assert_non_null(s);
	s->scene = scene;
	stage_folder(&s->cache_dir);
	scene->prepare(s->cache_dir.path);
	dir = opendir(s->cache_dir.path);
	assert_non_null(dir);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			snprintf(s->folder, sizeof(s->folder), "%s/%s", s->cache_dir.path, e->d_name);
	closedir(dir);
	s->prepared = disk_image_take(s->folder);
	*state = s;
	return 0;
}

static inline int stage_close(void **state)
{
	struct stage *s = *state;

	disk_image_free(s->prepared);
	folder_remove(&s->cache_dir);
	free(s);
	return 0;
}

static inline int stage_open_packs(void **state)
{
	return stage_open(state, &scene_packs);
}

static inline int stage_open_index(void **state)
{
	return stage_open(state, &scene_index);
}

static inline int stage_open_listings(void **state)
{
	return stage_open(state, &scene_listings);
}

#define STAGE_TEST(test, which)                                                                              \
	{                                                                                                    \
#test " (" #which ")", test, stage_open_##which, stage_close, NULL                           \
	}

/* As in the beginning. */
static inline void stage_set(struct stage *s)
{
	disk_image_put(s->prepared, s->folder);
}

/* Plays it in a process of its own, which the fault may end; whether it did. */
static inline bool stage_play(struct stage *s, struct disk_fault fault)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		disk_begin(fault);
		s->scene->play(s->cache_dir.path);
		disk_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != DISK_DIED))
		fail_msg("%s ended with status %#x at call %u", s->scene->name, (unsigned)status, fault.at);
	return WEXITSTATUS(status) == DISK_DIED;
}

/* Whether all is to be tried, however long it takes. */
static inline bool stage_sweeps(void)
{
	const char *sweep = getenv("DISK_SWEEP");

	return sweep && strcmp(sweep, "all") == 0;
}

/* From one of n to the next one that is tried, where so many are enough. */
static inline unsigned stage_step(unsigned n, unsigned enough)
{
	return stage_sweeps() || n <= enough ? 1 : n / enough;
}

/* What was tried, where $DISK_SAY is set. */
#define stage_say(...)                                                                                       \
	do {                                                                                                 \
		if (getenv("DISK_SAY"))                                                                      \
			disk_say(__VA_ARGS__);                                                               \
	} while (0)

#endif
