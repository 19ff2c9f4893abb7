/*
 * What ends the process when a mapped page is lost: the index and large objects are read through mappings,
 * and a page of theirs that the disk does not give (a bad sector, a file that was cut short from outside) is
 * signalled where it is touched. There is no going on from there, as nobody knows who relied on it; but it is
 * said what happened and what to do, and no dead mount is left.
 *
 * Threads that block signals leave SIGBUS alone, or none of this happens.
 */
#ifndef FS_FAULT_H
#define FS_FAULT_H

/* From now on. unmount: async-signal-safe. The process then dies by the signal. */
void fault_expect(void (*unmount)(void));

#endif
