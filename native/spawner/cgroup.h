/* Resource groups: one per worker and one per image, kept in a pool, below OWN/PARENT/INSTANCE where OWN is the spawner's
 * own group and PARENT is the policy's cgroup_parent. Version 1, version 2 and hybrids: each of the controllers is
 * taken from the hierarchy that has it. A controller that is not there, or not ours to use, is left out and told. */
#ifndef WAYANG_SPAWNER_CGROUP_H
#define WAYANG_SPAWNER_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/rates.h"
#include "base/status.h"

typedef enum wy_controller {
    WY_CONTROLLER_MEMORY = 0,
    WY_CONTROLLER_PIDS = 1,
    WY_CONTROLLER_CPU = 2,
    WY_CONTROLLER_CPUACCT = 3, /* version 1 only: version 2's cpu counts as well */
    WY_CONTROLLER_FREEZER = 4, /* version 2: no controller, but a file of every group */
    WY_CONTROLLER_IO = 5,      /* version 1 calls it blkio; of groups with rates alone (group_io.c) */
    WY_CONTROLLER_COUNT = 6
} wy_controller;

#define WY_IO_FILES 4 /* that rates of I/O are written to: version 1 has one each, version 2 one for all */
#define WY_LOW_SUFFIX "-low"

typedef struct wy_limits {
    uint64_t memory_bytes;
    uint32_t pids;
    uint32_t nice_class; /* as in wy_msg_worker_start, like all of these */
    uint64_t reserve_bytes;
    uint32_t cpu_milli, cpu_weight;
    wy_io_rates io;
} wy_limits;

typedef struct wy_group {
    struct wy_group *next; /* in the free list */
    uint32_t number;       /* its name is "g" and this number */
    wy_limits limits;      /* as last written */
    int join_fd[WY_CONTROLLER_COUNT]; /* cgroup.procs; -1 where another controller's join does it or there is none */
    int peak_fd, oom_fd, usage_fd, time_fd; /* time_fd: CPU time */
    int freeze_fd;                          /* opened at the first freeze */
    bool frozen, freeze_unified;
    uint64_t time_before;                   /* microseconds used before the present tenant */
    uint64_t oom_before; /* kills counted before the present tenant */
    bool low;            /* its processor time comes from OWN/PARENT-low (group_low.c) */
    int low_join_fd;     /* version 1: cgroup.procs of its place there; -1: it has none yet */
    int io_fd[WY_IO_FILES]; /* -1 without rates of I/O */
} wy_group;

typedef struct wy_cgroups {
    int base_fd[WY_CONTROLLER_COUNT];  /* O_DIRECTORY of OWN/PARENT/INSTANCE; -1: no such controller for us */
    bool unified[WY_CONTROLLER_COUNT]; /* version 2 */
    char base[WY_CONTROLLER_COUNT][512];
    char parent[64];
    int low_fd[WY_CONTROLLER_COUNT]; /* of OWN/PARENT-low/INSTANCE (group_low.c); -1: there is none */
    wy_group *free;
    uint32_t next_number;
    bool cpu_caps; /* the kernel has quotas of CPU time */
    bool io_rates; /* rates of I/O can be set, and there is a disk for it */
    char note[248]; /* what is missing and what that costs; "" if nothing is */
} wy_cgroups;

/* Finds what this process may use, makes the instance's groups and removes what a predecessor left in them (processes
 * first). Not having groups is not a failure. */
wy_status wy_cgroups_open(wy_cgroups *groups, const char *parent, const char *instance, wy_error *error);

/* Removes all groups of the instance, killing what is in them. The caller has ended its own children before. */
void wy_cgroups_close(wy_cgroups *groups);

bool wy_cgroups_any(const wy_cgroups *groups);

/* A group with these limits, out of the pool or new. *out is NULL when the host has no groups at all. */
wy_status wy_group_acquire(wy_cgroups *groups, const wy_limits *limits, wy_group **out, wy_error *error);

/* Moves a process in; where it has children of its own they stay behind, so this happens before the start word. */
wy_status wy_group_attach(wy_group *group, pid_t pid, wy_error *error);

/* Another CPU weight for those who are in it. */
void wy_group_weigh(wy_cgroups *groups, wy_group *group, uint32_t nice_class);

/* What the tenant used. oom_kills counts the kernel's kills since the group was acquired. Both 0 without a memory group. */
void wy_group_read(const wy_group *group, uint64_t *peak_bytes, uint64_t *oom_kills);

/* What the tenant uses now: memory in bytes, CPU time in microseconds; 0 where it is not measured. */
void wy_group_usage(const wy_group *group, uint64_t *memory_bytes, uint64_t *cpu_microseconds);

/* Stops every process in it at any instruction, those that are being forked too, or lets them go on where they were. WY_UNSUPPORTED:
 * there is no freezer for us. */
wy_status wy_group_freeze(wy_cgroups *groups, wy_group *group, bool freeze);

/* Lets go on what is frozen: it is being killed, which version 1 delivers only then, or it was. */
void wy_group_thaw(wy_group *group);

/* No rates of I/O any more: it is being killed, and a request that waits for its turn cannot be interrupted. */
void wy_group_lift_io(wy_group *group);

/* Sends a signal to every process in it, again for those that came meanwhile; as far as they can be found. 0: none is there. */
unsigned wy_group_signal(const wy_cgroups *groups, const wy_group *group, int signal);

/* Back into the pool, or away when it cannot be made as new. Its processes are dead and reaped. */
void wy_group_release(wy_cgroups *groups, wy_group *group);

/* cgroup_tree.c: kills everything in the group `name` below `dir_fd` and in its children, and removes them. Bounded. */
wy_status wy_cgroup_remove_tree(int dir_fd, const char *name, wy_error *error);

/* cgroup_tree.c: one pass of a signal over the processes of a group, by pidfd. Returns how many got it. */
unsigned wy_cgroup_signal(int group_fd, int signal);

/* cgroup_tree.c: lets groups of version 1 below `instance` go on whose every process has been killed and waits only for that: what
 * a predecessor that died had frozen. Others are left alone. */
void wy_cgroup_release_killed(int parent_fd, const char *instance);

/* cgroup_find.c: absolute directory of our own group in the hierarchy of `controller`. WY_UNSUPPORTED: none. */
wy_status wy_cgroup_find(const char *controller, char *path, size_t path_bytes, bool *unified, wy_error *error);

#endif
