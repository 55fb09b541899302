/* The instance's groups: found, swept, made and removed. The pool of one group per tenant is in group.c.
 *
 * Version 2 allows no processes beside groups with controllers. Where our own group holds only the runtime itself (keeper,
 * daemon, spawner), these move one level down; where others live in it too, we leave it alone and say what to do. */
#include "spawner/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "spawner/group.h"

static const char *const names[] = {"memory", "pids", "cpu", "cpuacct", "freezer", "io"};

static int write_file(int dir_fd, const char *name, const char *text) {
    int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t written = write(fd, text, strlen(text));
    int failure = errno;
    close(fd);
    errno = failure;
    return written < 0 ? -1 : 0;
}

static pid_t parent_of(pid_t pid) {
    char path[40], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (length <= 0) {
        return -1;
    }
    text[length] = 0;
    const char *after_name = strrchr(text, ')');
    return after_name != NULL && strlen(after_name) > 4 ? (pid_t)strtol(after_name + 4, NULL, 10) : -1;
}

/* Moves keeper, daemon and spawner into OWN/runtime if nobody else lives in OWN. */
static bool make_room(int own_fd) {
    char line[32];
    bool only_us = true;
    pid_t members[64];
    size_t count = 0;
    int fd = openat(own_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (file == NULL) {
        return false;
    }
    while (only_us && fgets(line, sizeof line, file) != NULL) {
        pid_t pid = (pid_t)strtol(line, NULL, 10);
        only_us = count < 64 && (pid == getpid() || pid == getppid() || parent_of(pid) == getppid());
        if (only_us) {
            members[count++] = pid;
        }
    }
    fclose(file);
    if (!only_us || getppid() <= 1 || (mkdirat(own_fd, "runtime", 0755) != 0 && errno != EEXIST)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        snprintf(line, sizeof line, "%d", (int)members[i]);
        if (write_file(own_fd, "runtime/cgroup.procs", line) != 0) {
            return false;
        }
    }
    return true;
}

/* Where room was made, by us or by a predecessor, our own group is the one above: the policy's parent stands there. */
static void leave_runtime(char *own, const char *parent) {
    static const char room[] = "/runtime";
    size_t length = strlen(own);
    if (length <= sizeof room - 1 || strcmp(own + length - (sizeof room - 1), room) != 0) {
        return;
    }
    char beside[512];
    struct stat there;
    own[length - (sizeof room - 1)] = 0;
    int written = snprintf(beside, sizeof beside, "%s/%s", own, parent);
    if (written < 0 || (size_t)written >= sizeof beside || stat(beside, &there) != 0) {
        own[length - (sizeof room - 1)] = '/'; /* a group of somebody's that happens to be called so */
    }
}

/* Version 2: hands `controller` down to the groups below `dir_fd`. */
static bool enable(int dir_fd, const char *controller) {
    char text[32];
    snprintf(text, sizeof text, "+%s", controller);
    return write_file(dir_fd, "cgroup.subtree_control", text) == 0 ||
           (errno == EBUSY && make_room(dir_fd) && write_file(dir_fd, "cgroup.subtree_control", text) == 0);
}

static int open_dir(int at, const char *name) {
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int make_dir(int at, const char *name) {
    if (mkdirat(at, name, 0755) != 0 && errno != EEXIST) {
        return -1;
    }
    return open_dir(at, name);
}

/* The instance's group is locked for as long as its spawner lives. A predecessor that was killed a moment ago may be held
 * up by its dying holders (they share the lock until they are gone): that is waited for. */
static bool lock_instance(int group_fd, wy_error *error) {
    for (int attempt = 0; attempt < 300; attempt++) {
        if (flock(group_fd, LOCK_EX | LOCK_NB) == 0) {
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    wy_fail(error, WY_DENIED, 0, "instance", "another spawner of this instance is alive; give --instance another name");
    return false;
}

/* Empties the instance's group of what a killed predecessor left. */
static bool sweep(int parent_fd, const char *instance, wy_error *error) {
    int group_fd = open_dir(parent_fd, instance);
    if (group_fd < 0) {
        return errno == ENOENT;
    }
    bool swept = lock_instance(group_fd, error) && wy_cgroup_remove_tree(parent_fd, instance, error) == WY_OK;
    close(group_fd);
    return swept;
}

/* Makes OWN/PARENT/INSTANCE for one controller, empty, and keeps it open in *out. 0, or -1 with errno. */
static int make_base(wy_cgroups *groups, int c, const char *own, const char *parent, const char *instance, int *out, wy_error *error) {
    int own_fd = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int parent_fd = own_fd >= 0 ? make_dir(own_fd, parent) : -1;
    int base_fd = -1, failure = errno;
    if (parent_fd >= 0) {
        bool swept = false; /* hierarchies may be shared: sweep once */
        for (int before = 0; before < c && !swept; before++) {
            swept = strcmp(groups->base[c], groups->base[before]) == 0;
        }
        swept = swept || sweep(parent_fd, instance, error);
        bool enabled = !groups->unified[c] || (enable(own_fd, names[c]) && enable(parent_fd, names[c]));
        base_fd = swept && enabled ? make_dir(parent_fd, instance) : -1;
        failure = errno;
        if (base_fd >= 0) {
            flock(base_fd, LOCK_EX | LOCK_NB);
        }
        if (base_fd >= 0 && groups->unified[c] && !enable(base_fd, names[c])) {
            failure = errno;
            close(base_fd);
            base_fd = -1;
        }
    }
    if (parent_fd >= 0) {
        close(parent_fd);
    }
    if (own_fd >= 0) {
        close(own_fd);
    }
    *out = base_fd;
    errno = failure;
    return base_fd >= 0 ? 0 : -1;
}

/* The same beside it, for what can wait. */
static void make_low(wy_cgroups *groups, int c, const char *own, const char *instance) {
    char parent[sizeof groups->parent + sizeof WY_LOW_SUFFIX];
    wy_error ignored = {0};
    snprintf(parent, sizeof parent, "%s" WY_LOW_SUFFIX, groups->parent);
    (void)make_base(groups, c, own, parent, instance, &groups->low_fd[c], &ignored);
}

static void tell(wy_cgroups *groups, int c, const char *reason) {
    static const char *const costs[] = {
        "memory is limited per process only (RLIMIT_DATA)", "processes are limited by RLIMIT_NPROC",
        "CPU weight is by niceness only", "CPU time is known of ended processes only", "tasks are frozen by SIGSTOP", "rates of disk I/O are not enforced"};
    size_t have = strlen(groups->note);
    snprintf(groups->note + have, sizeof groups->note - have, "%sno %s group (%s): %s", have > 0 ? "; " : "", names[c],
             reason, costs[c]);
}

/* A group competes with its siblings as one: as many shares as processors, so that a busy runtime is no single task. The
 * policy's parent as well, which stands between: what the instance is given counts only among instances. */
static void weigh(const wy_cgroups *groups) {
    char text[24];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (groups->base_fd[WY_CONTROLLER_CPU] >= 0) {
        bool unified = groups->unified[WY_CONTROLLER_CPU];
        snprintf(text, sizeof text, "%ld", (processors > 64 ? 64 : processors) * (unified ? 100 : 1024));
        write_file(groups->base_fd[WY_CONTROLLER_CPU], unified ? "cpu.weight" : "cpu.shares", text);
        write_file(groups->base_fd[WY_CONTROLLER_CPU], unified ? "../cpu.weight" : "../cpu.shares", text);
        if (unified) { /* where keeper, daemon and spawner were moved to (make_room): before the tasks, as their sessions are elsewhere */
            write_file(groups->base_fd[WY_CONTROLLER_CPU], "../../runtime/cpu.weight", "1000");
        }
    }
}

/* What a predecessor had frozen goes first: version 1 lets nothing of it die before it goes on, in whatever hierarchy it is killed. */
static bool sweep_frozen(const wy_cgroups *groups, const char *instance, wy_error *error) {
    char own[400];
    bool unified;
    wy_error none = {0};
    if (strcmp(groups->parent, "none") == 0 || wy_cgroup_find("freezer", own, sizeof own, &unified, &none) != WY_OK) {
        return true;
    }
    int own_fd = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int parent_fd = own_fd >= 0 ? open_dir(own_fd, groups->parent) : -1;
    bool swept = true;
    if (parent_fd >= 0) {
        wy_cgroup_release_killed(parent_fd, instance);
        swept = sweep(parent_fd, instance, error) || error->status != WY_DENIED;
        close(parent_fd);
    }
    if (own_fd >= 0) {
        close(own_fd);
    }
    return swept;
}

/* Version 2 needs no controller to freeze: any group of ours there will do. */
static bool borrow_freezer(wy_cgroups *groups) {
    const int f = WY_CONTROLLER_FREEZER;
    for (int c = 0; c < f; c++) {
        if (groups->base_fd[c] >= 0 && groups->unified[c]) {
            groups->unified[f] = true;
            memcpy(groups->base[f], groups->base[c], sizeof groups->base[f]);
            groups->base_fd[f] = fcntl(groups->base_fd[c], F_DUPFD_CLOEXEC, 3);
            return groups->base_fd[f] >= 0;
        }
    }
    return false;
}

/* What a predecessor left below `parent` and waits for the disk cannot be killed before its rates are gone. */
static void lift_rates(const char *own, const char *parent, const char *suffix, const char *instance) {
    char path[640];
    int written = snprintf(path, sizeof path, "%s/%s%s/%s", own, parent, suffix, instance);
    int fd = written > 0 && (size_t)written < sizeof path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        wy_io_lift_below(fd);
        close(fd);
    }
}

/* Our own group in each hierarchy: all of them, before making room for the first moves us. */
static void find_all(wy_cgroups *groups, const char *instance, char own[WY_CONTROLLER_COUNT][400], bool found[WY_CONTROLLER_COUNT]) {
    for (int c = 0; c < WY_CONTROLLER_COUNT; c++) {
        wy_error none = {0};
        found[c] = (c == WY_CONTROLLER_IO && wy_cgroup_find("blkio", own[c], sizeof own[c], &groups->unified[c], &none) == WY_OK) ||
                   wy_cgroup_find(names[c], own[c], sizeof own[c], &groups->unified[c], &none) == WY_OK;
        if (found[c] && groups->unified[c]) {
            leave_runtime(own[c], groups->parent);
        }
    }
    if (found[WY_CONTROLLER_IO] && strcmp(groups->parent, "none") != 0) {
        lift_rates(own[WY_CONTROLLER_IO], groups->parent, "", instance);
        lift_rates(own[WY_CONTROLLER_IO], groups->parent, WY_LOW_SUFFIX, instance);
    }
}

wy_status wy_cgroups_open(wy_cgroups *groups, const char *parent, const char *instance, wy_error *error) {
    memset(groups, 0, sizeof *groups);
    for (int c = 0; c < WY_CONTROLLER_COUNT; c++) {
        groups->base_fd[c] = groups->low_fd[c] = -1;
    }
    size_t length = strlen(parent);
    if (length == 0 || length >= sizeof groups->parent || strchr(parent, '/') != NULL || parent[0] == '.') {
        return wy_fail(error, WY_INVALID, 0, "cgroup_parent", "the policy's cgroup_parent is not one plain name");
    }
    memcpy(groups->parent, parent, length + 1);
    if (!sweep_frozen(groups, instance, error)) {
        return WY_DENIED;
    }
    char own[WY_CONTROLLER_COUNT][400];
    bool found[WY_CONTROLLER_COUNT];
    find_all(groups, instance, own, found);
    for (int c = 0; c < WY_CONTROLLER_COUNT; c++) {
        wy_error why = {0};
        if (c == WY_CONTROLLER_CPUACCT && groups->base_fd[WY_CONTROLLER_CPU] >= 0 && groups->unified[WY_CONTROLLER_CPU]) {
            continue;
        }
        if (strcmp(parent, "none") == 0) {
            tell(groups, c, "the policy wants none");
            continue;
        }
        if (c == WY_CONTROLLER_FREEZER && borrow_freezer(groups)) {
            continue;
        }
        if (!found[c]) {
            tell(groups, c, "the host offers none");
            continue;
        }
        int written = snprintf(groups->base[c], sizeof groups->base[c], "%s/%s/%s", own[c], parent, instance);
        if (written < 0 || (size_t)written >= sizeof groups->base[c]) {
            groups->base[c][0] = '\0';
            tell(groups, c, "its path is too long");
            continue;
        }
        if (make_base(groups, c, own[c], groups->parent, instance, &groups->base_fd[c], &why) == 0) {
            if (groups->unified[c] || c == WY_CONTROLLER_CPU) {
                make_low(groups, c, own[c], instance);
            }
        } else {
            if (why.status == WY_DENIED) {
                wy_cgroups_close(groups);
                return wy_fail(error, WY_DENIED, 0, why.where, "%s", why.message);
            }
            tell(groups, c, errno == EBUSY ? "others live in our group; use a unit with Delegate=yes" : strerror(errno));
        }
    }
    weigh(groups);
    wy_low_settle(groups);
    groups->io_rates = wy_io_usable(groups);
    const int cpu = WY_CONTROLLER_CPU; /* a kernel can be built without quotas */
    groups->cpu_caps = groups->base_fd[cpu] >= 0 &&
                       faccessat(groups->base_fd[cpu], groups->unified[cpu] ? "cpu.max" : "cpu.cfs_quota_us", F_OK, 0) == 0;
    return WY_OK;
}

bool wy_cgroups_any(const wy_cgroups *groups) {
    for (int c = 0; c < WY_CONTROLLER_COUNT; c++) {
        if (groups->base_fd[c] >= 0) {
            return true;
        }
    }
    return false;
}

/* With all below it; the policy's parent, too, if no other instance is in it and no room was made: who is in that finds us by it. */
static void remove_base(char *base) {
    char room[640];
    char *slash = strrchr(base, '/');
    *slash = 0;
    int parent_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent_fd >= 0) {
        wy_cgroup_remove_tree(parent_fd, slash + 1, NULL);
        close(parent_fd);
        snprintf(room, sizeof room, "%s/../runtime", base);
        if (faccessat(AT_FDCWD, room, F_OK, 0) != 0) {
            rmdir(base);
        }
    }
    *slash = '/';
}

void wy_cgroups_close(wy_cgroups *groups) {
    wy_group_drop_pool(groups);
    for (int c = 0; c < WY_CONTROLLER_COUNT; c++) {
        const char *slash = strrchr(groups->base[c], '/');
        if (groups->base_fd[c] < 0 || slash == NULL) {
            continue;
        }
        if (groups->low_fd[c] >= 0) {
            char low[sizeof groups->base[c] + sizeof WY_LOW_SUFFIX];
            snprintf(low, sizeof low, "%.*s" WY_LOW_SUFFIX "%s", (int)(slash - groups->base[c]), groups->base[c], slash);
            close(groups->low_fd[c]);
            remove_base(low);
        }
        close(groups->base_fd[c]);
        groups->base_fd[c] = groups->low_fd[c] = -1;
        remove_base(groups->base[c]);
    }
}
