/* Namespaces as the runtime makes them: clone3 with a user namespace of its own, maps written from outside. */
#include "probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/mounts.h"
#include "sandbox/overlay.h"
#include "zygote/launch.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#define SANDBOX_NAMESPACES                                                                                             \
    (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)
#define UNPRIVILEGED_ID 65534u

/* In the child; 0, or an errno. */
typedef int (*proof)(void);

static int put_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t put = write(fd, text, strlen(text));
    int cause = errno;
    (void)close(fd);
    errno = cause;
    return put == (ssize_t)strlen(text) ? 0 : -1;
}

static int write_maps(pid_t child) {
    char path[48], text[40];
    (void)snprintf(path, sizeof path, "/proc/%d/setgroups", (int)child);
    if (geteuid() != 0 && put_text(path, "deny") != 0) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "/proc/%d/uid_map", (int)child);
    (void)snprintf(text, sizeof text, "0 %u 1\n", (unsigned)geteuid());
    if (put_text(path, text) != 0) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "/proc/%d/gid_map", (int)child);
    (void)snprintf(text, sizeof text, "0 %u 1\n", (unsigned)getegid());
    return put_text(path, text);
}

static void explain(wy_answer *answer, const char *what) {
    char most[24], clone[16], apparmor[16];
    int cause = errno;
    wy_first_line("/proc/sys/user/max_user_namespaces", most, sizeof most);
    wy_first_line("/proc/sys/kernel/unprivileged_userns_clone", clone, sizeof clone);
    wy_first_line("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", apparmor, sizeof apparmor);
    wy_say(answer, WY_PROBE_NO, "%s: %s (user.max_user_namespaces %s%s%s%s%s)", what, strerror(cause),
           most[0] != '\0' ? most : "?", clone[0] != '\0' ? ", kernel.unprivileged_userns_clone " : "", clone,
           apparmor[0] != '\0' ? ", kernel.apparmor_restrict_unprivileged_userns " : "", apparmor);
}

/* Returns 1 when the proof held; else the answer is filled. */
static int prove_in(uint64_t flags, proof prove, wy_answer *answer) {
    int go[2], told[2], handle = -1, result = EIO;
    char word = 'g';
    if (pipe2(go, O_CLOEXEC) != 0 || pipe2(told, O_CLOEXEC) != 0) {
        wy_say_errno(answer, "pipe");
        return 0;
    }
    pid_t child = wy_clone(flags | CLONE_PIDFD, SIGCHLD, &handle);
    if (child == 0) {
        (void)close(go[1]);
        int failed = read(go[0], &word, 1) == 1 ? prove() : EIO;
        _exit(write(told[1], &failed, sizeof failed) == (ssize_t)sizeof failed ? 0 : 1);
    }
    if (child < 0) {
        explain(answer, "clone3");
        return 0;
    }
    (void)close(told[1]);
    if (write_maps(child) != 0) {
        explain(answer, "uid_map");
        (void)kill(child, SIGKILL);
    } else if (write(go[1], &word, 1) != 1 || read(told[0], &result, sizeof result) != (ssize_t)sizeof result) {
        wy_say(answer, WY_PROBE_NO, "the process in the new namespaces ended before it answered");
    } else if (result != 0) {
        errno = result;
        wy_say_errno(answer, "inside a user namespace");
    }
    (void)waitpid(child, NULL, __WALL);
    return result == 0;
}

static char namespace_before[64];
static const char *namespace_name;

/* The link of /proc/self/ns is read before /proc could show another pid namespace. */
static int is_another(void) {
    char path[48], link[64];
    (void)snprintf(path, sizeof path, "/proc/self/ns/%s", namespace_name);
    ssize_t length = readlink(path, link, sizeof link - 1);
    if (length <= 0) {
        /* In a new pid namespace the host's /proc knows no "self". */
        return strcmp(namespace_name, "pid") == 0 && getpid() == 1 ? 0 : EIO;
    }
    link[length] = '\0';
    return strcmp(link, namespace_before) == 0 ? EEXIST : 0;
}

static void try_one(const char *name, uint64_t flag, wy_answer *answer) {
    char path[48];
    namespace_name = name;
    (void)snprintf(path, sizeof path, "/proc/self/ns/%s", name);
    ssize_t length = readlink(path, namespace_before, sizeof namespace_before - 1);
    namespace_before[length > 0 ? length : 0] = '\0';
    if (prove_in(CLONE_NEWUSER | flag, is_another, answer)) {
        wy_say(answer, WY_PROBE_YES, "made, in a user namespace");
    }
}

#define NAMESPACE_CHECK(function, name, flag)                                                                          \
    static void function(const wy_probe_context *context, wy_answer *answer) {                                         \
        (void)context;                                                                                                 \
        try_one(name, flag, answer);                                                                                   \
    }

NAMESPACE_CHECK(user, "user", 0)
NAMESPACE_CHECK(mount_ns, "mnt", CLONE_NEWNS)
NAMESPACE_CHECK(pid, "pid", CLONE_NEWPID)
NAMESPACE_CHECK(net, "net", CLONE_NEWNET)
NAMESPACE_CHECK(ipc, "ipc", CLONE_NEWIPC)
NAMESPACE_CHECK(uts, "uts", CLONE_NEWUTS)
NAMESPACE_CHECK(cgroup, "cgroup", CLONE_NEWCGROUP)
NAMESPACE_CHECK(time_ns, "time", CLONE_NEWTIME)

static int make_private(void) {
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ? errno : 0;
}

static int mount_proc(void) {
    int failed = make_private();
    if (failed != 0) {
        return failed;
    }
    int made = wy_mount_make("proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return made < 0 || wy_mount_attach(made, AT_FDCWD, "/proc") != 0 ? errno : 0;
}

static int mount_tmpfs(void) {
    const char *const options[] = {"size", "64K", "nr_inodes", "16", "mode", "0700", NULL};
    int failed = make_private();
    if (failed != 0) {
        return failed;
    }
    int made = wy_mount_make("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (made < 0 || wy_mount_attach(made, AT_FDCWD, "/tmp") != 0) {
        return errno;
    }
    int file = open("/tmp/wayang", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    static char block[65536];
    memset(block, 1, sizeof block);
    /* The file fits, a second block does not: the size is kept. */
    if (file < 0 || write(file, block, sizeof block) <= 0) {
        return errno;
    }
    return write(file, block, sizeof block) < 0 && errno == ENOSPC ? 0 : ERANGE;
}

static int show_and_pivot(void) {
    const char *const options[] = {"size", "64K", NULL};
    int failed = make_private();
    if (failed != 0) {
        return failed;
    }
    int root = wy_mount_make("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    int usr = wy_mount_copy("/usr", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (root < 0 || usr < 0 || wy_mount_attach(root, AT_FDCWD, "/tmp") != 0 || mkdirat(root, "usr", 0755) != 0 ||
        wy_mount_attach(usr, root, "usr") != 0 || fchdir(root) != 0 || wy_mount_pivot_here() != 0) {
        return errno;
    }
    return access("/usr/lib", R_OK) != 0 ? errno : access("/etc", F_OK) == 0 ? EEXIST : 0;
}

static int nested(void) {
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 ? errno : 0;
}

static int nothing(void) {
    return 0;
}

static void try_proof(uint64_t flags, proof prove, const char *words, wy_answer *answer) {
    if (prove_in(flags, prove, answer)) {
        wy_say(answer, WY_PROBE_YES, "%s", words);
    }
}

static void proc_mount(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    try_proof(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS, mount_proc, "mounted in a pid namespace", answer);
}

static void tmpfs(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    try_proof(CLONE_NEWUSER | CLONE_NEWNS, mount_tmpfs, "sized, and the size is kept", answer);
}

static void pivot(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    try_proof(CLONE_NEWUSER | CLONE_NEWNS, show_and_pivot, "/usr shown read-only in a new root, the host gone", answer);
}

static void nested_user(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    try_proof(CLONE_NEWUSER | CLONE_NEWNS, nested, "a second one inside the first, which locks its mounts", answer);
}

static void together(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    try_proof(SANDBOX_NAMESPACES, nothing, "user, mount, pid, net, ipc, uts and cgroup at once", answer);
}

/* As root: what a start by an ordinary user would get. */
static void unprivileged(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    if (geteuid() != 0) {
        try_proof(SANDBOX_NAMESPACES, nothing, "this is one", answer);
        return;
    }
    if (setgroups(0, NULL) != 0 || setresgid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID) != 0 ||
        setresuid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID) != 0 ||
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) { /* or the maps could not be written */
        wy_say(answer, WY_PROBE_UNKNOWN, "cannot become uid 65534: %s", strerror(errno));
        return;
    }
    try_proof(SANDBOX_NAMESPACES, nothing, "all namespaces, tried as uid 65534", answer);
}

static void overlay(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    try_proof(CLONE_NEWUSER | CLONE_NEWNS, wy_overlay_prove, "a directory of others written, and left as it was", answer);
}

const wy_check wy_namespace_checks[] = {
    {"namespaces.user", user, 0},
    {"namespaces.mount", mount_ns, 0},
    {"namespaces.pid", pid, 0},
    {"namespaces.net", net, 0},
    {"namespaces.ipc", ipc, 0},
    {"namespaces.uts", uts, 0},
    {"namespaces.cgroup", cgroup, 0},
    {"namespaces.time", time_ns, 0},
    {"namespaces.together", together, 0},
    {"namespaces.nested", nested_user, 0},
    {"namespaces.unprivileged", unprivileged, 0},
    {"sandbox.proc", proc_mount, 0},
    {"sandbox.tmpfs", tmpfs, 0},
    {"sandbox.root", pivot, 0},
    {"sandbox.overlay", overlay, 0},
    {NULL, NULL, 0},
};
