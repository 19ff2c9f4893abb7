/*
 * What disk.c (the calls) tells disk_record.c (what they did). With the lock held; what is not of the folder
 * that is recorded is passed over.
 */
#ifndef TESTS_DISK_PRIVATE_H
#define TESTS_DISK_PRIVATE_H

#include <sys/types.h>

void disk_record_lock(void);
void disk_record_unlock(void);
void disk_record_create(int fd, const char *name);
void disk_record_write(int fd, const void *p, size_t n, off_t offset);
void disk_record_truncate(int fd, off_t len);
void disk_record_sync(int fd); /* a file's or the folder's */
void disk_record_rename(int dir, const char *from, const char *to);
void disk_record_unlink(int dir, const char *name);

#endif
