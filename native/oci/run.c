/* The process between the spawner and the runtime's program. Bundle, state and writable space lie in one file system that only this mount
 * namespace knows:
 *
 *   /tmp            the task's space (tmpfs, or its file system on the disk)
 *     bundle state  root's alone: config.json, what the runtime notes
 *     lower         the profile's root, read-only, shown as the task's own
 *     upper work    what the task changes of it
 *     root          both together (or lower alone, on nothing): the task's root
 *     tmp           the task's /tmp */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel/layout.h"
#include "init/init.h"
#include "oci/runtime.h"
#include "sandbox/mounts.h"
#include "zygote/launch.h"
#include "zygote/zygote.h"

#define HIGH_FD 64
#define EXIT_NOT_STARTED 125
enum { FD_ROOT = 6, FD_SPACE = 8, FD_ARGUMENTS = 9, FD_LAST = 9 }; /* 5 and 7 are the boot socket's and init's */

static wy_status run_fail(wy_error *error, const char *what) {
    int cause = errno;
    return wy_fail(error, WY_SYSTEM, cause, "oci", "%s: %s", what, strerror(cause));
}

/* Closes all that is the spawner's. */
static wy_status place(const wy_oci_start *start, wy_error *error) {
    const int from[] = {start->standard[0], start->standard[1], start->standard[2], start->boot, start->root, start->space, start->arguments};
    const int to[] = {0, 1, 2, WY_WORKER_FD_BOOT, FD_ROOT, FD_SPACE, FD_ARGUMENTS};
    int high[sizeof from / sizeof from[0]];
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        high[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD_CLOEXEC, HIGH_FD);
        if (from[i] >= 0 && high[i] < 0) {
            return run_fail(error, "dup");
        }
    }
    (void)syscall(SYS_close_range, 0, HIGH_FD - 1, 0);
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        if (high[i] >= 0 && dup3(high[i], to[i], to[i] > 2 ? O_CLOEXEC : 0) < 0) {
            return run_fail(error, "dup3");
        }
    }
    (void)syscall(SYS_close_range, FD_LAST + 1, ~0u, 0);
    return WY_OK;
}

static int make_directories(const wy_oci_start *start) {
    static const struct {
        const char *path;
        mode_t mode;
        int is_tasks;
    } wanted[] = {{"/tmp/bundle", 0700, 0}, {"/tmp/state", 0700, 0}, {"/tmp/lower", 0755, 0}, {"/tmp/work", 0700, 1},
                  {"/tmp/root", 0755, 0},   {"/tmp/upper", 0755, 1}, {"/tmp/tmp", 01777, 1}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (mkdir(wanted[i].path, 0700) != 0 || (wanted[i].is_tasks && chown(wanted[i].path, start->uid, start->uid) != 0) ||
            chmod(wanted[i].path, wanted[i].mode) != 0) {
            return -1;
        }
    }
    return chown("/tmp", 0, 0) == 0 ? chmod("/tmp", 0755) : -1;
}

static int write_own(const char *file, const char *text) {
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    ssize_t put = fd < 0 ? -1 : write(fd, text, strlen(text));
    if (fd >= 0) {
        (void)close(fd);
    }
    return put == (ssize_t)strlen(text) ? 0 : -1;
}

/* In a child that shares our descriptors: becomes the task's uid, and that root of a user namespace of its own. */
static int become_its_own_root(uid_t uid) {
    char map[32];
    (void)snprintf(map, sizeof map, "0 %u 1\n", (unsigned)uid);
    return setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 &&
                   unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_own("/proc/self/setgroups", "deny") == 0 &&
                   write_own("/proc/self/uid_map", map) == 0 && write_own("/proc/self/gid_map", map) == 0
               ? 0
               : -1;
}

/* Runtimes mount the root again, and drop what a mount says of devices. A file system that was made in a user namespace opens none, whatever its
 * mounts say. Returns its mount; 0: it could not be made. */
static int make_root(const wy_oci_start *start) {
    static const char *const writable[] = {"lowerdir", "/tmp/lower", "upperdir", "/tmp/upper", "workdir", "/tmp/work", "userxattr", "", NULL};
    static const char *const readable[] = {"lowerdir", "/tmp/lower:/tmp/upper", "userxattr", "", NULL};
    int status = 0;
    pid_t child = wy_clone(CLONE_FILES, SIGCHLD, NULL);
    if (child == 0) {
        int made = become_its_own_root(start->uid) != 0 ? -1 : wy_mount_make("overlay", start->profile->overlay ? writable : readable, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        _exit(made > 0 && made < 256 ? made : 0);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static wy_status mount_all(const wy_oci_start *start, wy_error *error) {
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return run_fail(error, "cannot make the mounts private");
    }
    /* No runtime has a group to manage, and some refuse a host with hierarchies of both versions that they would not use. */
    if (mount("tmpfs", "/sys/fs/cgroup", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4096") != 0 && errno != ENOENT) {
        return run_fail(error, "cannot cover the control groups");
    }
    int space = start->space >= 0 ? FD_SPACE : wy_mount_make_space(start->tmpfs_bytes, "0755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (space < 0 || wy_mount_attach(space, AT_FDCWD, "/tmp") != 0) {
        return run_fail(error, "cannot mount its space");
    }
    (void)close(space);
    (void)umask(0);
    if (make_directories(start) != 0) {
        return run_fail(error, "cannot make the directories of its bundle");
    }
    if (wy_mount_attach(FD_ROOT, AT_FDCWD, "/tmp/lower") != 0) {
        return run_fail(error, "cannot mount the profile's root");
    }
    (void)close(FD_ROOT);
    int root = make_root(start);
    if (root == 0) {
        return wy_fail(error, WY_UNSUPPORTED, 0, "oci", "its root cannot be made: this host mounts no overlay in a user namespace");
    }
    if (wy_mount_attach(root, AT_FDCWD, "/tmp/root") != 0) {
        return run_fail(error, "cannot attach its root");
    }
    (void)close(root);
    return WY_OK;
}

static wy_status write_config(const wy_oci_start *start, const wy_arguments *arguments, wy_error *error) {
    const wy_oci_task task = {.profile = start->profile, .arguments = arguments, .root = "/tmp/root", .tmp = "/tmp/tmp", .uid = start->uid};
    FILE *file = fopen("/tmp/bundle/config.json", "we");
    if (file == NULL) {
        return run_fail(error, "config.json");
    }
    wy_status status = wy_oci_config(&task, file, error);
    return fclose(file) != 0 && status == WY_OK ? run_fail(error, "config.json") : status;
}

static void tell(uint32_t type, const wy_error *error) {
    wy_boot message;
    memset(&message, 0, sizeof message);
    message.type = type;
    message.error = *error;
    while (write(WY_WORKER_FD_BOOT, &message, sizeof message) < 0 && errno == EINTR) {
    }
}

static int may_go(void) {
    wy_boot message;
    ssize_t got = 0;
    do {
        got = read(WY_WORKER_FD_BOOT, &message, sizeof message);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof message && message.type == WY_BOOT_GO;
}

/* The runtime stays in the group that it is started in: its own management of groups is off. */
static char **program_line(uint32_t runtime) {
    static char *crun[] = {NULL, "--root", "/tmp/state", "--cgroup-manager=disabled", "run", "--bundle", "/tmp/bundle", "task", NULL};
    static char *runsc[] = {NULL, "--root", "/tmp/state", "--network=none", "--ignore-cgroups", "run", "-bundle", "/tmp/bundle", "task", NULL};
    char **line = runtime == WY_RUNTIME_RUNSC ? runsc : crun;
    line[0] = (char *)(uintptr_t)wy_runtime_program(runtime);
    return line;
}

_Noreturn void wy_oci_run(const wy_oci_start *start) {
    static char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL};
    wy_arguments arguments;
    wy_error error;
    memset(&error, 0, sizeof error);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setsid();
    wy_reset_signals();
    if (place(start, &error) != WY_OK) {
        _exit(EXIT_NOT_STARTED); /* there is no socket to tell it on */
    }
    wy_status status = wy_arguments_read(FD_ARGUMENTS, &arguments, &error);
    if (status == WY_OK) {
        status = mount_all(start, &error);
    }
    if (status == WY_OK) {
        status = write_config(start, &arguments, &error);
    }
    if (status == WY_OK) {
        status = wy_init_prepare(&error);
    }
    if (status != WY_OK) {
        tell(WY_BOOT_FAILED, &error);
        _exit(EXIT_NOT_STARTED);
    }
    tell(WY_BOOT_READY, &error);
    if (!may_go()) {
        _exit(EXIT_NOT_STARTED);
    }
    const wy_arguments line = {.cwd = "/", .argv = program_line(start->profile->runtime), .environment = environment};
    wy_init_run(&line, NULL);
}
