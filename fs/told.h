/*
 * Which listings the kernel still holds whole, names and attributes: those need not be given again.
 *
 * The kernel keeps a directory's names when it is asked to, but not what is behind them: where it has
 * forgotten nodes, the names alone would cost it a LOOKUP each. So a listing counts as held from when all of
 * it was given with attributes until any node is forgotten, or one of its names is looked up after all.
 *
 * The kernel has one list of names a directory, and every handle that may add to it adds by position alone.
 * So only handles on equal listings may, at one time.
 *
 * What is left of a listing that nobody read to its end keeps the kernel from beginning another: that
 * directory is then given each time, until the kernel forgets it.
 *
 * Thread-safe.
 */
#ifndef FS_TOLD_H
#define FS_TOLD_H

#include <stdbool.h>
#include <stdint.h>

struct told;

struct told *told_new(void);
void told_free(struct told *t);

/* A handle on the listing `serial` of directory `node` opens: whether it may add to what the kernel keeps. If
 * so, told_close() must follow. serial 0: never. */
bool told_open(struct told *t, uint64_t node, uint64_t serial);
void told_close(struct told *t, uint64_t node);

/* The moment, to be taken before the first piece of a listing is given. */
uint64_t told_now(struct told *t);
/* The whole listing `serial` of directory `node`, begun at told_now(), has been given. serial is not 0. */
void told_all(struct told *t, uint64_t node, uint64_t serial, uint64_t since);
/* Whether the kernel holds it. */
bool told_holds(struct told *t, uint64_t node, uint64_t serial);

/* Drops those of which stale() says so. It may be asked of some that are held no more. */
void told_check(struct told *t, bool (*stale)(void *arg, uint64_t node, uint64_t serial), void *arg);

/* The kernel has forgotten nodes: which, does not matter. */
void told_forgotten(struct told *t);
/* The kernel has asked for a name in directory `node` that it would know. */
void told_missed(struct told *t, uint64_t node);

#endif
