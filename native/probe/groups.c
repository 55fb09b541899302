/* Control groups: one is made below our own, a limit is set, a process moved in, stopped and killed. All is removed. */
#include "probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "spawner/cgroup.h"

typedef struct trial {
    char own[400];
    char name[40];
    bool unified, enabled; /* enabled: by us, to be taken back */
    const char *controller;
    int own_fd, group_fd;
} trial;

static int put_at(int directory, const char *name, const char *text) {
    int fd = openat(directory, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t put = write(fd, text, strlen(text));
    int cause = errno;
    (void)close(fd);
    errno = cause;
    return put < 0 ? -1 : 0;
}

static int switch_controller(const trial *t, char sign) {
    char text[24];
    (void)snprintf(text, sizeof text, "%c%s", sign, t->controller);
    return put_at(t->own_fd, "cgroup.subtree_control", text);
}

/* Makes OWN/wayang-probe-PID; false with the answer filled. */
static bool make_group(trial *t, wy_answer *answer) {
    wy_error error;
    memset(&error, 0, sizeof error);
    t->own_fd = t->group_fd = -1;
    if (wy_cgroup_find(t->controller, t->own, sizeof t->own, &t->unified, &error) != WY_OK) {
        wy_say(answer, WY_PROBE_NO, "%.150s", error.message);
        return false;
    }
    (void)snprintf(t->name, sizeof t->name, "wayang-probe-%d", (int)getpid());
    t->own_fd = open(t->own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->own_fd < 0 || mkdirat(t->own_fd, t->name, 0755) != 0) {
        wy_say(answer, WY_PROBE_NO, "%s, not ours to use (%s): %.90s", t->unified ? "v2" : "v1", strerror(errno), t->own);
        return false;
    }
    t->group_fd = openat(t->own_fd, t->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return true;
}

static void remove_group(const trial *t) {
    if (t->group_fd >= 0) {
        for (int i = 0; i < 200 && unlinkat(t->own_fd, t->name, AT_REMOVEDIR) != 0 && errno == EBUSY; i++) {
            (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        }
    }
    if (t->enabled) {
        (void)switch_controller(t, '-');
    }
}

/* Version 2 hands a controller down only where no processes live beside. */
static bool hand_down(trial *t, const char *file, wy_answer *answer) {
    if (!t->unified || faccessat(t->group_fd, file, F_OK, 0) == 0) {
        return true;
    }
    if (switch_controller(t, '+') == 0) {
        t->enabled = true;
        return true;
    }
    wy_say(answer, WY_PROBE_NO, errno == EBUSY ? "v2, but other processes live in our group %.100s" : "v2, but not delegated at %.100s",
           t->own);
    return false;
}

static pid_t sleeper_in(int group_fd) {
    pid_t child = fork();
    if (child == 0) {
        for (;;) {
            (void)pause();
        }
    }
    char text[16];
    (void)snprintf(text, sizeof text, "%d", (int)child);
    if (child > 0 && put_at(group_fd, "cgroup.procs", text) != 0) {
        int cause = errno;
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        errno = cause;
        return -1;
    }
    return child;
}

static void end_sleeper(pid_t child) {
    if (child > 0) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
}

static void try_limit(const char *controller, const char *old_file, const char *file, const char *limit, wy_answer *answer) {
    trial t = {.controller = controller};
    pid_t child = -1;
    if (make_group(&t, answer)) {
        const char *which = t.unified ? file : old_file;
        if (!hand_down(&t, which, answer)) {
            /* told */
        } else if (limit != NULL && put_at(t.group_fd, which, limit) != 0) {
            wy_say(answer, WY_PROBE_NO, "%s cannot be set: %s", which, strerror(errno));
        } else if ((child = sleeper_in(t.group_fd)) < 0) {
            wy_say(answer, WY_PROBE_NO, "a process cannot be moved in: %s", strerror(errno));
        } else {
            wy_say(answer, WY_PROBE_YES, "%s, tried below %.120s", t.unified ? "v2" : "v1", t.own);
        }
    }
    end_sleeper(child);
    remove_group(&t);
}

static void memory(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    try_limit("memory", "memory.limit_in_bytes", "memory.max", "67108864", answer);
}

static void pids(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    try_limit("pids", "pids.max", "pids.max", "16", answer);
}

static void cpu(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    try_limit("cpu", "cpu.shares", "cpu.weight", "100", answer);
}

static void cpu_cap(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    try_limit("cpu", "cpu.cfs_quota_us", "cpu.max", "50000", answer);
}

/* No limit is written: it would need a device's number. */
static void io(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    wy_error error;
    char own[400];
    bool unified = false;
    bool old = wy_cgroup_find("blkio", own, sizeof own, &unified, &error) == WY_OK && !unified;
    try_limit(old ? "blkio" : "io", "blkio.throttle.read_bps_device", "io.max", NULL, answer);
}

/* Reads `name` until it holds `wanted`, at most a second. */
static bool comes_to(int directory, const char *name, const char *wanted) {
    for (int i = 0; i < 200; i++) {
        char text[256];
        int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0) {
            (void)close(fd);
        }
        text[got > 0 ? got : 0] = '\0';
        if (strstr(text, wanted) != NULL) {
            return true;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return false;
}

static void freezer(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    trial t = {.controller = "freezer"};
    pid_t child = -1;
    wy_error error;
    bool old = wy_cgroup_find("freezer", t.own, sizeof t.own, &t.unified, &error) == WY_OK && !t.unified;
    t.controller = old ? "freezer" : "memory"; /* in version 2 every group has a freezer */
    if (make_group(&t, answer)) {
        const char *file = t.unified ? "cgroup.freeze" : "freezer.state";
        const char *shown = t.unified ? "cgroup.events" : "freezer.state";
        if ((child = sleeper_in(t.group_fd)) < 0 || put_at(t.group_fd, file, t.unified ? "1" : "FROZEN") != 0) {
            wy_say_errno(answer, "freezing");
        } else {
            bool frozen = comes_to(t.group_fd, shown, t.unified ? "frozen 1" : "FROZEN\n");
            bool thawed = put_at(t.group_fd, file, t.unified ? "0" : "THAWED") == 0;
            wy_say(answer, frozen && thawed ? WY_PROBE_YES : WY_PROBE_NO, "%s, %s", t.unified ? "v2" : "v1",
                   frozen ? "froze and thawed a process" : "did not freeze in a second");
        }
    }
    end_sleeper(child);
    remove_group(&t);
}

static void kill_all(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    trial t = {.controller = "memory"};
    pid_t child = -1;
    if (make_group(&t, answer)) {
        if (!t.unified || faccessat(t.group_fd, "cgroup.kill", F_OK, 0) != 0) {
            wy_say(answer, WY_PROBE_NO, "no cgroup.kill (version 2 and kernel 5.14 have it)");
        } else if ((child = sleeper_in(t.group_fd)) < 0 || put_at(t.group_fd, "cgroup.kill", "1") != 0) {
            wy_say_errno(answer, "cgroup.kill");
        } else {
            int state = 0;
            bool killed = waitpid(child, &state, 0) == child && WIFSIGNALED(state) && WTERMSIG(state) == SIGKILL;
            child = -1;
            wy_say(answer, killed ? WY_PROBE_YES : WY_PROBE_NO, "killed a process");
        }
    }
    end_sleeper(child);
    remove_group(&t);
}

static void pressure(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    char line[128] = "";
    int fd = open("/proc/pressure/memory", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (got <= 0) {
        wy_say_errno(answer, "/proc/pressure/memory");
        return;
    }
    line[strcspn(line, "\n")] = '\0';
    wy_say(answer, WY_PROBE_YES, "memory %.100s", line);
}

static void version(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    char line[512];
    bool old = false, unified = false;
    FILE *mounts = fopen("/proc/self/mounts", "re");
    while (mounts != NULL && fgets(line, sizeof line, mounts) != NULL) {
        char type[32];
        if (sscanf(line, "%*s %*s %31s", type) == 1) {
            old |= strcmp(type, "cgroup") == 0;
            unified |= strcmp(type, "cgroup2") == 0;
        }
    }
    if (mounts != NULL) {
        (void)fclose(mounts);
    }
    wy_say(answer, old || unified ? WY_PROBE_YES : WY_PROBE_NO, "%s",
           old && unified ? "hybrid" : old ? "v1" : unified ? "v2" : "none mounted");
}

const wy_check wy_group_checks[] = {
    {"groups.version", version, 0}, {"groups.memory", memory, 0}, {"groups.pids", pids, 0},
    {"groups.cpu", cpu, 0},         {"groups.cpu_cap", cpu_cap, 0}, {"groups.io", io, 0},         {"groups.freezer", freezer, 0},
    {"groups.kill", kill_all, 0},   {"groups.pressure", pressure, 0}, {NULL, NULL, 0},
};
