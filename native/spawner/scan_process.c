/* One worker as the kernel shows it from outside. Its pid is a child's that only we reap: it cannot be somebody else's. The
 * processes of its group are no children of ours: what is found of one counts only if it is still in the group afterwards.
 * Not visible from outside, so not looked at: the worker's Landlock domain. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "channel/layout.h"
#include "spawner/state.h"

#define PF_EXITING 4u /* include/linux/sched.h; told in /proc/PID/stat */
#define FILE_BYTES 16384
#define MAX_MEMBERS 64
#define SETTLE_MS 2000 /* until then descriptors of the start may still be open */

static int finding(char text[128], const char *format, ...) __attribute__((format(printf, 2, 3)));
static int finding(char text[128], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, 128, format, arguments);
    va_end(arguments);
    return 1;
}

/* Returns the length, -1 when it cannot be read (the process is over). */
static ssize_t read_proc(pid_t pid, const char *name, char *text, size_t bytes) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    size_t have = 0;
    ssize_t got = 0;
    while (have < bytes - 1 && (got = read(fd, text + have, bytes - 1 - have)) > 0) {
        have += (size_t)got;
    }
    close(fd);
    text[have] = 0;
    return got < 0 || have == 0 ? -1 : (ssize_t)have;
}

static const char *field(const char *status, const char *name) {
    char key[32];
    snprintf(key, sizeof key, "\n%s:", name);
    const char *line = strstr(status, key);
    return line == NULL ? "" : line + strlen(key);
}

/* Confinement that every process of a task has. 0: as it should be, or over. */
static int check_confinement(pid_t pid, char text[128]) {
    static const char *const capabilities[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
    char status[FILE_BYTES];
    if (read_proc(pid, "status", status, sizeof status) < 0) {
        return 0;
    }
    char state = 0;
    if (sscanf(field(status, "State"), " %c", &state) != 1 || state == 'Z' || state == 'X') {
        return 0;
    }
    if (strtol(field(status, "NoNewPrivs"), NULL, 10) != 1) {
        return finding(text, "process %d: NoNewPrivs is not set", (int)pid);
    }
    if (strtol(field(status, "Seccomp"), NULL, 10) != 2) {
        return finding(text, "process %d: it has no seccomp filter", (int)pid);
    }
    const char *filters = field(status, "Seccomp_filters"); /* since Linux 5.9: the zygote's and its own */
    if (*filters != 0 && strtol(filters, NULL, 10) < 2) {
        return finding(text, "process %d: its profile's seccomp filter is missing", (int)pid);
    }
    for (size_t i = 0; i < sizeof capabilities / sizeof capabilities[0]; i++) {
        if (strtoull(field(status, capabilities[i]), NULL, 16) != 0) {
            return finding(text, "process %d: %s is not empty", (int)pid, capabilities[i]);
        }
    }
    return 0;
}

/* Identity of the worker's first process. */
static int check_identity(const wy_spawner *s, const wy_worker_slot *worker, char text[128]) {
    static const char *const namespaces[] = {"user", "pid", "mnt", "net", "ipc", "uts"};
    char status[FILE_BYTES], map[256];
    unsigned expected = s->root ? s->policy.uid_first + worker->image : (unsigned)geteuid(), uids[4] = {0}, inside = 0, outside = 0, count = 0;
    if (read_proc(worker->pid, "status", status, sizeof status) < 0 || strstr(status, "\nState:\tZ") != NULL) {
        return 0;
    }
    if (strtol(field(status, "PPid"), NULL, 10) != (long)getpid()) {
        return finding(text, "its parent is not the spawner");
    }
    if (sscanf(field(status, "Uid"), "%u %u %u %u", &uids[0], &uids[1], &uids[2], &uids[3]) != 4 || uids[0] != expected ||
        uids[1] != expected || uids[2] != expected || uids[3] != expected) {
        return finding(text, "its uids are %u %u %u %u, its image's is %u", uids[0], uids[1], uids[2], uids[3], expected);
    }
    if (read_proc(worker->pid, "uid_map", map, sizeof map) > 0 &&
        (sscanf(map, "%u %u %u", &inside, &outside, &count) != 3 || outside != expected || count != 1 || strchr(map, '\n')[1] != 0)) {
        return finding(text, "its user namespace maps more than the image's uid");
    }
    for (size_t i = 0; i < sizeof namespaces / sizeof namespaces[0]; i++) {
        char ours[64], theirs[64];
        struct stat a, b;
        if (strcmp(namespaces[i], "net") == 0 && s->images[worker->image].profile->network == WY_NETWORK_HOST) {
            continue; /* as its profile says */
        }
        snprintf(ours, sizeof ours, "/proc/self/ns/%s", namespaces[i]);
        snprintf(theirs, sizeof theirs, "/proc/%d/ns/%s", (int)worker->pid, namespaces[i]);
        if (stat(ours, &a) == 0 && stat(theirs, &b) == 0 && a.st_ino == b.st_ino) {
            return finding(text, "its %s namespace is the host's", namespaces[i]);
        }
    }
    return 0;
}

/* Is `pid` in the worker's group of the memory (or pids) controller? Lists up to MAX_MEMBERS others. -1: no group. */
static int read_group(const wy_spawner *s, const wy_worker_slot *worker, pid_t pid, pid_t *members, int *count) {
    int controller = s->groups.base_fd[WY_CONTROLLER_MEMORY] >= 0 ? WY_CONTROLLER_MEMORY : WY_CONTROLLER_PIDS;
    char path[48], line[32];
    if (worker->group == NULL || s->groups.base_fd[controller] < 0) {
        return -1;
    }
    snprintf(path, sizeof path, "g%u/cgroup.procs", worker->group->number);
    int fd = openat(s->groups.base_fd[controller], path, O_RDONLY | O_CLOEXEC), found = 0;
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (file == NULL) {
        return -1;
    }
    *count = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        pid_t one = (pid_t)strtol(line, NULL, 10);
        found |= one == pid;
        if (members != NULL && one > 0 && one != worker->pid && *count < MAX_MEMBERS) {
            members[(*count)++] = one;
        }
    }
    fclose(file);
    return found;
}

/* It has ended or is about to: the kernel lists a process that exits in no group any more (kernel/cgroup/cgroup.c, css_task_iter_advance) while its state is still
 * one of the living. */
static bool is_over(pid_t pid) {
    char stat[FILE_BYTES], state = 0;
    unsigned flags = 0;
    const char *behind_name = read_proc(pid, "stat", stat, sizeof stat) < 0 ? NULL : strrchr(stat, ')');
    return behind_name == NULL || sscanf(behind_name, ") %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2 || state == 'Z' || state == 'X' ||
           (flags & PF_EXITING) != 0;
}

static int check_group(const wy_spawner *s, const wy_worker_slot *worker, uint32_t *processes, char text[128]) {
    pid_t members[MAX_MEMBERS];
    int count = 0, ignored = 0;
    int found = read_group(s, worker, worker->pid, members, &count);
    if (found == 0 && !is_over(worker->pid)) {
        return finding(text, "it is not in its memory group");
    }
    for (int i = 0; found > 0 && i < count; i++) {
        ++*processes;
        /* Twice, and still ours in between: a number that was given to somebody else meanwhile must not end a task. */
        if (check_confinement(members[i], text) != 0 && read_group(s, worker, members[i], NULL, &ignored) == 1 &&
            check_confinement(members[i], text) != 0) {
            return 1;
        }
    }
    text[0] = 0;
    return 0;
}

/* The mount with this id is in the process's tree. */
static bool mounts_have(const char *mounts, long id) {
    for (const char *line = mounts; line != NULL && *line != 0; line = strchr(line, '\n'), line = line != NULL ? line + 1 : NULL) {
        if (strtol(line, NULL, 10) == id) {
            return true;
        }
    }
    return false;
}

static int check_descriptor(const wy_worker_slot *worker, const wy_profile *profile, long number, const char *target,
                            const char *mounts, char text[128]) {
    char name[32], info[512];
    if (strncmp(target, "socket:", 7) == 0) {
        bool boot = worker->command && number == WY_WORKER_FD_BOOT;
        return boot || profile->own_network || profile->network != WY_NETWORK_NONE ? 0 : finding(text, "descriptor %ld is a socket", number);
    }
    if (target[0] != '/' || strncmp(target, "/memfd:", 7) == 0) {
        return 0; /* pipes, eventfds, memory */
    }
    snprintf(name, sizeof name, "fdinfo/%ld", number);
    if (read_proc(worker->pid, name, info, sizeof info) < 0) {
        return 0; /* closed meanwhile */
    }
    const char *id = strstr(info, "mnt_id:");
    return id == NULL || mounts_have(mounts, strtol(id + 7, NULL, 10))
               ? 0
               : finding(text, "descriptor %ld is a file outside of its root (%.60s)", number, target);
}

static int check_descriptors(const wy_worker_slot *worker, const wy_profile *profile, const char *mounts, char text[128]) {
    char path[64], target[256];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)worker->pid);
    DIR *all = wy_now_ms() - worker->running_since_ms < SETTLE_MS ? NULL : opendir(path);
    int found = 0;
    if (all == NULL) {
        return 0;
    }
    for (struct dirent *one = readdir(all); one != NULL && found == 0; one = readdir(all)) {
        ssize_t length = one->d_name[0] == '.' ? -1 : readlinkat(dirfd(all), one->d_name, target, sizeof target - 1);
        if (length > 0) {
            target[length] = 0;
            found = check_descriptor(worker, profile, strtol(one->d_name, NULL, 10), target, mounts, text);
        }
    }
    closedir(all);
    return found;
}

/* Every mount is nosuid; what can be written is memory of the task's own (tmpfs, proc, an overlay) or its space on the disk, never the
 * host's files. */
static uint32_t check_mounts(const wy_worker_slot *worker, char *mounts, char text[128]) {
    char *kept = NULL, space[24] = "none";
    struct stat facts;
    if (worker->space.bytes != 0 && fstat(worker->space.mount_fd, &facts) == 0) {
        snprintf(space, sizeof space, "%u:%u", major(facts.st_dev), minor(facts.st_dev));
    }
    for (char *line = strtok_r(mounts, "\n", &kept); line != NULL; line = strtok_r(NULL, "\n", &kept)) {
        char device[24], point[128], options[128];
        const char *type = strstr(line, " - ");
        if (type == NULL || sscanf(line, "%*s %*s %23s %*s %127s %127s", device, point, options) != 3) {
            continue;
        }
        if (strstr(options, "nosuid") == NULL) {
            finding(text, "a mount at %.60s without nosuid", point);
            return WY_SCAN_CRITICAL;
        }
        bool own = strncmp(type + 3, "tmpfs ", 6) == 0 || strncmp(type + 3, "proc ", 5) == 0 || strncmp(type + 3, "overlay ", 8) == 0 ||
                   strcmp(device, space) == 0;
        if (strncmp(options, "rw", 2) == 0 && !own) {
            finding(text, "a mount of the host's at %.60s can be written", point);
            return WY_SCAN_WARNING;
        }
    }
    return 0;
}

uint32_t wy_scan_worker(wy_spawner *s, const wy_worker_slot *worker, uint32_t *processes, char text[128]) {
    static char mounts[65536]; /* one thread, one scan at a time */
    ++*processes;
    if (check_confinement(worker->pid, text) || check_identity(s, worker, text) || check_group(s, worker, processes, text)) {
        return WY_SCAN_CRITICAL;
    }
    if (read_proc(worker->pid, "mountinfo", mounts, sizeof mounts) < 0) {
        return 0;
    }
    if (check_descriptors(worker, s->images[worker->image].profile, mounts, text)) {
        return WY_SCAN_CRITICAL;
    }
    return check_mounts(worker, mounts, text);
}
