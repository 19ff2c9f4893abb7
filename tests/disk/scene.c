/*
 * What scenes have in common.
 */
#include "tests/disk/scene.h"

#include <dirent.h>
#include <string.h>

#include "tests/disk/disk.h"

void scene_check_files(const char *folder, const char *end, size_t max)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;
	size_t n = 0;

	DISK_CHECK(dir);
	while ((e = readdir(dir))) {
		size_t len = strlen(e->d_name);

		DISK_CHECK(strncmp(e->d_name, "tmp-", 4) != 0);
		n += len >= strlen(end) && strcmp(e->d_name + len - strlen(end), end) == 0;
	}
	closedir(dir);
	DISK_CHECK(n <= max);
}
