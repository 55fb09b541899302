/* Who goes before the tasks. */
#ifndef WAYANG_BASE_PRIORITY_H
#define WAYANG_BASE_PRIORITY_H

/* Puts the calling process before the tasks of all classes (niceness -10, beside them in one cgroup, and a short slice: weight.h), and, if
 * it leads a session, that session before theirs: where the kernel groups tasks by session (sched_autogroup_enabled, sched(7)) niceness counts
 * inside a session only, and a daemon that is alone in its own would compete with all workers together as an equal. Children inherit
 * both. Best effort, for root: nothing is lost without it but time. */
void wy_outrank_tasks(void);

#endif
