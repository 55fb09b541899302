/* Processor time of what is of class batch or idle.
 *
 * A group and its siblings share what their parent gets, and a parent that always has something to run has used up its part whenever one of
 * its urgent ones wakes: whoever else is on the machine then goes first, for as long as a round of them takes. So what can wait does not
 * stand among the others: it has a parent of its own, with a small part. Beside 62 endless loops on two processors of a busy machine an
 * urgent worker waited up to 90 ms for a processor with them below the same parent, and below 1 ms so.
 *
 * Version 1, where the processor's hierarchy is one of its own and a process can change its place in it at any time. In version 2, and
 * where cpu and cpuacct are one hierarchy, what a group has used is counted where it stands, so there classes differ by weight only. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spawner/group.h"

#define LOW_SHARES_PER_PROCESSOR 64L /* of 1024 of any session or service beside us */
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

static int make_dir(const char *path) {
    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        return -1;
    }
    return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void wy_low_open(wy_cgroups *groups, const char *own, const char *instance) {
    char parent[480];
    if ((size_t)snprintf(parent, sizeof parent, "%s/%s-low", own, groups->parent) >= sizeof parent ||
        (size_t)snprintf(groups->low, sizeof groups->low, "%s/%s", parent, instance) >= sizeof groups->low) {
        return;
    }
    int parent_fd = make_dir(parent);
    if (parent_fd < 0) {
        return;
    }
    wy_cgroup_remove_tree(parent_fd, instance, NULL); /* a killed predecessor's: whoever lives holds the lock of the other one */
    groups->low_fd = make_dir(groups->low);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    write_shares(parent_fd, "cpu.shares", (processors > 64 ? 64 : processors) * LOW_SHARES_PER_PROCESSOR);
    close(parent_fd);
}

void wy_low_close(wy_cgroups *groups) {
    if (groups->low_fd < 0) {
        return;
    }
    close(groups->low_fd);
    groups->low_fd = -1;
    char *slash = strrchr(groups->low, '/');
    *slash = 0;
    int parent_fd = open(groups->low, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent_fd >= 0) {
        wy_cgroup_remove_tree(parent_fd, slash + 1, NULL);
        close(parent_fd);
        rmdir(groups->low); /* if no other instance is in it */
    }
}

int wy_group_dir(const wy_cgroups *groups, int controller, const wy_group *group) {
    return controller == WY_CONTROLLER_CPU && group->low ? groups->low_fd : groups->base_fd[controller];
}

/* Its place there, made when it is first needed. */
static bool make_place(const wy_cgroups *groups, wy_group *group) {
    char path[48];
    if (group->low_join_fd >= 0) {
        return true;
    }
    snprintf(path, sizeof path, "g%u", group->number);
    if (mkdirat(groups->low_fd, path, 0755) != 0 && errno != EEXIST) {
        return false;
    }
    snprintf(path, sizeof path, "g%u/cgroup.procs", group->number);
    group->low_join_fd = openat(groups->low_fd, path, O_WRONLY | O_CLOEXEC);
    return group->low_join_fd >= 0;
}

bool wy_group_take_side(wy_cgroups *groups, wy_group *group, uint32_t nice_class) {
    bool low = nice_class == 1 || nice_class == 2;
    if (groups->low_fd < 0 || low == group->low || (low && !make_place(groups, group))) {
        return false; /* where it cannot be, its weight among the others has to do */
    }
    group->low = low;
    return true;
}

void wy_group_move_members(const wy_cgroups *groups, const wy_group *group) {
    int from = group->low ? groups->base_fd[WY_CONTROLLER_CPU] : groups->low_fd;
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
    if (groups->low_fd >= 0 && unlinkat(groups->low_fd, name, AT_REMOVEDIR) != 0 && errno == EBUSY) {
        wy_cgroup_remove_tree(groups->low_fd, name, NULL);
    }
}
