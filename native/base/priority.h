/* Who goes before the tasks. */
#ifndef WAYANG_BASE_PRIORITY_H
#define WAYANG_BASE_PRIORITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Puts the calling process before the tasks of all classes (niceness -10, beside them in one cgroup, and a slice of so many nanoseconds: weight.h), and, if
 * it leads a session, that session before theirs: where the kernel groups tasks by session (sched_autogroup_enabled, sched(7)) niceness counts
 * inside a session only, and a daemon that is alone in its own would compete with all workers together as an equal. Children inherit
 * both. Best effort, for root: nothing is lost without it but time. */
void wy_outrank_tasks(uint64_t slice_ns);

/* Puts one thread of a process before all ordinary threads (SCHED_RR, the lowest of its priorities; what it starts is ordinary, at niceness 0). For what is
 * short and waited for by somebody. False when it is no thread of that process, or the host does not allow it: nothing is lost but time. */
bool wy_put_first(pid_t process, pid_t thread);

/* Gives one thread of a process the weight and slice of wy_outrank_tasks (and takes away what wy_put_first gave). False when it is no thread of that process. */
bool wy_put_before_tasks(pid_t process, pid_t thread, uint64_t slice_ns);

#endif
