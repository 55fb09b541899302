/* Processor time of what is of class batch or idle.
 *
 * A group and its siblings share what their parent gets, and a parent that always has something to run has used up its part whenever one of
 * its urgent ones wakes: whoever else is on the machine then goes first, for as long as a round of them takes. So what can wait does not
 * stand among the others: it has a parent of its own, with a small part. Beside 62 endless loops on two processors of a busy machine an
 * urgent worker waited up to 90 ms for a processor with them below the same parent, and below 1 ms so.
 *
 * In version 1 the processor's hierarchy is one of its own, and a process can change its place in it at any time. In version 2 the group
 * is the same for all controllers, and memory stays charged where it was: there a group is made on one side and stays; a call worker whose
 * calls become of another class is only weighed anew. Where version 1 has cpu and cpuacct in one hierarchy, what was counted would stay
 * behind, and all stand on one side. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spawner/group.h"

#define LOW_SHARES_PER_PROCESSOR 64L /* of 1024 of any session or service beside us */
#define LOW_WEIGHT_PER_PROCESSOR 6L  /* version 2: of 100 */
#define MOVE_ROUNDS 16               /* over processes that were forked meanwhile */

static void write_shares(int dir_fd, const char *file, long shares) {
    char text[24];
    int length = snprintf(text, sizeof text, "%ld", shares);
    int fd = openat(dir_fd, file, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, text, (size_t)length); /* without it the parent weighs as any: no worse than before */
        close(fd);
    }
}

static bool fixed(const wy_cgroups *groups) {
    return groups->unified[WY_CONTROLLER_CPU];
}

static bool is_low(uint32_t nice_class) {
    return nice_class == 1 || nice_class == 2;
}

/* Not used after all: made a moment ago, and empty. */
static void drop(wy_cgroups *groups, int c) {
    const char *instance = strrchr(groups->base[c], '/') + 1;
    int parent_fd = openat(groups->low_fd[c], "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(groups->low_fd[c]);
    groups->low_fd[c] = -1;
    if (parent_fd >= 0) {
        char parent[sizeof groups->parent + sizeof WY_LOW_SUFFIX + 3];
        snprintf(parent, sizeof parent, "../%s" WY_LOW_SUFFIX, groups->parent);
        (void)unlinkat(parent_fd, instance, AT_REMOVEDIR);
        (void)unlinkat(parent_fd, parent, AT_REMOVEDIR); /* if no other instance is in it */
        close(parent_fd);
    }
}

/* What stands in the same hierarchy as another has its place there, too. */
static void share(wy_cgroups *groups, int c) {
    for (int other = 0; other < WY_CONTROLLER_COUNT && groups->base_fd[c] >= 0 && groups->low_fd[c] < 0; other++) {
        if (groups->low_fd[other] >= 0 && groups->unified[other] && strcmp(groups->base[c], groups->base[other]) == 0) {
            groups->low_fd[c] = fcntl(groups->low_fd[other], F_DUPFD_CLOEXEC, 3);
        }
    }
}

void wy_low_settle(wy_cgroups *groups) {
    const int cpu = WY_CONTROLLER_CPU;
    bool whole = groups->low_fd[cpu] >= 0 &&
                 (fixed(groups) || strcmp(groups->base[cpu], groups->base[WY_CONTROLLER_CPUACCT]) != 0);
    for (int c = 0; c < WY_CONTROLLER_COUNT; c++) { /* version 2: all or none */
        if (groups->unified[c]) {
            share(groups, c);
        }
        whole = whole && (!groups->unified[c] || (groups->base_fd[c] >= 0) == (groups->low_fd[c] >= 0));
    }
    for (int c = 0; c < WY_CONTROLLER_COUNT; c++) {
        if (groups->low_fd[c] >= 0 && (!whole || (!fixed(groups) && c != cpu))) {
            drop(groups, c);
        }
    }
    if (whole) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        processors = processors > 64 ? 64 : processors;
        write_shares(groups->low_fd[cpu], fixed(groups) ? "../cpu.weight" : "../cpu.shares",
                     processors * (fixed(groups) ? LOW_WEIGHT_PER_PROCESSOR : LOW_SHARES_PER_PROCESSOR));
    }
}

bool wy_low_for_good(const wy_cgroups *groups) {
    return fixed(groups);
}

bool wy_low_from_birth(const wy_cgroups *groups, uint32_t nice_class) {
    return fixed(groups) && groups->low_fd[WY_CONTROLLER_CPU] >= 0 && is_low(nice_class);
}

bool wy_low_fits(const wy_cgroups *groups, const wy_group *group, uint32_t nice_class) {
    return !fixed(groups) || group->low == wy_low_from_birth(groups, nice_class);
}

int wy_group_dir(const wy_cgroups *groups, int controller, const wy_group *group) {
    bool there = group->low && groups->low_fd[controller] >= 0;
    return there ? groups->low_fd[controller] : groups->base_fd[controller];
}

/* Its place there, made when it is first needed. */
static bool make_place(const wy_cgroups *groups, wy_group *group) {
    char path[48];
    if (group->low_join_fd >= 0) {
        return true;
    }
    snprintf(path, sizeof path, "g%u", group->number);
    if (mkdirat(groups->low_fd[WY_CONTROLLER_CPU], path, 0755) != 0 && errno != EEXIST) {
        return false;
    }
    snprintf(path, sizeof path, "g%u/cgroup.procs", group->number);
    group->low_join_fd = openat(groups->low_fd[WY_CONTROLLER_CPU], path, O_WRONLY | O_CLOEXEC);
    return group->low_join_fd >= 0;
}

bool wy_group_take_side(wy_cgroups *groups, wy_group *group, uint32_t nice_class) {
    bool low = is_low(nice_class);
    if (fixed(groups) || groups->low_fd[WY_CONTROLLER_CPU] < 0 || low == group->low || (low && !make_place(groups, group))) {
        return false; /* where it cannot be, its weight among the others has to do */
    }
    group->low = low;
    return true;
}

void wy_group_move_members(const wy_cgroups *groups, const wy_group *group) {
    int from = group->low ? groups->base_fd[WY_CONTROLLER_CPU] : groups->low_fd[WY_CONTROLLER_CPU];
    int to = group->low ? group->low_join_fd : group->join_fd[WY_CONTROLLER_CPU];
    char path[48], line[32];
    snprintf(path, sizeof path, "g%u/cgroup.procs", group->number);
    for (int round = 0, moved = 1; round < MOVE_ROUNDS && moved > 0; round++) {
        int fd = openat(from, path, O_RDONLY | O_CLOEXEC);
        FILE *members = fd >= 0 ? fdopen(fd, "r") : NULL;
        if (members == NULL) {
            if (fd >= 0) {
                close(fd);
            }
            return;
        }
        for (moved = 0; fgets(line, sizeof line, members) != NULL; moved++) {
            (void)!pwrite(to, line, strcspn(line, "\n"), 0); /* one that just died is nowhere */
        }
        fclose(members);
    }
}

void wy_group_leave_low(const wy_cgroups *groups, wy_group *group) {
    char name[16];
    snprintf(name, sizeof name, "g%u", group->number);
    int low_fd = fixed(groups) ? -1 : groups->low_fd[WY_CONTROLLER_CPU];
    if (low_fd >= 0 && unlinkat(low_fd, name, AT_REMOVEDIR) != 0 && errno == EBUSY) {
        wy_cgroup_remove_tree(low_fd, name, NULL);
    }
}
