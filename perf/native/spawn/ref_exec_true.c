/* Limit of exec.true: the least that a sandboxed command with captured output can cost.
 *
 * usage: ref_exec_true [--iterations N] [--cpus A] [--json]
 * Each run: two pipes, clone3 into new user, mount, pid, ipc, uts, cgroup and network namespaces, uid and gid maps
 * written by the parent, a private read-only root of bind mounts and a tmpfs, pivot_root, a seccomp filter, exec of
 * /bin/true, both pipes read to their end, wait. Nothing is pooled or prepared ahead: neither is it for a stranger's
 * command. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

static const char *const bound[] = {"usr", "bin", "lib", "lib64"};
static const unsigned long read_only = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV;

typedef struct run_fds {
    int go[2], out[2], err[2];
} run_fds;

_Noreturn static void child_fail(const char *where) {
    dprintf(STDERR_FILENO, "%s: %s\n", where, strerror(errno));
    _exit(127);
}

/* Shows one host directory (or its symlink, on a merged /usr) inside the new root. */
static void bind_one(const char *name) {
    char source[32], target[32], link[64];
    snprintf(source, sizeof source, "/%s", name);
    snprintf(target, sizeof target, "/tmp/%s", name);
    const ssize_t length = readlink(source, link, sizeof link - 1);
    if (length > 0) {
        link[length] = '\0';
        if (symlink(link, target) != 0) {
            child_fail("symlink");
        }
        return;
    }
    if (access(source, F_OK) != 0) {
        return;
    }
    if (mkdir(target, 0755) != 0 || mount(source, target, NULL, MS_BIND, NULL) != 0 ||
        mount(NULL, target, NULL, read_only, NULL) != 0) {
        child_fail(source);
    }
}

static void enter_root(void) {
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        child_fail("private /");
    }
    if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0755") != 0) {
        child_fail("tmpfs root");
    }
    for (size_t i = 0; i < sizeof bound / sizeof bound[0]; i++) {
        bind_one(bound[i]);
    }
    if (mkdir("/tmp/proc", 0755) != 0 ||
        mount("proc", "/tmp/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) {
        child_fail("proc");
    }
    if (mkdir("/tmp/tmp", 0755) != 0 || mount("tmpfs", "/tmp/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=16m") != 0) {
        child_fail("tmpfs /tmp");
    }
    if (chdir("/tmp") != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 ||
        chdir("/") != 0) {
        child_fail("pivot_root");
    }
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) != 0) {
        child_fail("read-only root");
    }
}

_Noreturn static void child(const run_fds *fds) {
    char go = 0;
    if (read(fds->go[0], &go, 1) != 1) {
        child_fail("go");
    }
    if (dup2(fds->out[1], STDOUT_FILENO) < 0 || dup2(fds->err[1], STDERR_FILENO) < 0) {
        child_fail("dup2");
    }
    enter_root();
    struct sock_filter filter[WY_PERF_FILTER_LENGTH];
    const struct sock_fprog program = {.len = (unsigned short)wy_perf_filter(filter), .filter = filter};
    if (syscall(SYS_close_range, 3u, ~0u, 0u) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
        child_fail("seccomp");
    }
    char *const arguments[] = {"/bin/true", NULL};
    char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
    execve("/bin/true", arguments, environment);
    child_fail("exec");
}

static int write_map(pid_t pid, const char *file, const char *text) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    const ssize_t written = write(fd, text, strlen(text));
    close(fd);
    return written == (ssize_t)strlen(text) ? 0 : -1;
}

static int write_maps(pid_t pid) {
    char users[64], groups[64];
    snprintf(users, sizeof users, "0 %u 1", (unsigned)geteuid());
    snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getegid());
    return write_map(pid, "setgroups", "deny") == 0 && write_map(pid, "uid_map", users) == 0 &&
                   write_map(pid, "gid_map", groups) == 0
               ? 0
               : -1;
}

static int drain(int out, int err, char *text, size_t capacity) {
    struct pollfd polled[2] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
    size_t used = 0;
    int open_ends = 2;
    while (open_ends > 0) {
        if (poll(polled, 2, 10000) <= 0) {
            return -1;
        }
        for (int i = 0; i < 2; i++) {
            if (polled[i].fd < 0 || polled[i].revents == 0) {
                continue;
            }
            char scratch[512];
            const ssize_t got = read(polled[i].fd, scratch, sizeof scratch);
            if (got <= 0) {
                polled[i].fd = -1;
                open_ends--;
            } else if (used + (size_t)got < capacity) {
                memcpy(text + used, scratch, (size_t)got);
                used += (size_t)got;
            }
        }
    }
    text[used] = '\0';
    return 0;
}

static int open_pipes(run_fds *fds) {
    return pipe2(fds->go, O_CLOEXEC) == 0 && pipe2(fds->out, O_CLOEXEC) == 0 && pipe2(fds->err, O_CLOEXEC) == 0 ? 0
                                                                                                                : -1;
}

static int run_once(uint64_t *elapsed) {
    const uint64_t start = wy_perf_now_ns();
    run_fds fds;
    if (open_pipes(&fds) != 0) {
        perror("pipe2");
        return -1;
    }
    struct clone_args arguments = {.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                                            CLONE_NEWCGROUP | CLONE_NEWNET,
                                   .exit_signal = SIGCHLD};
    const pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
        child(&fds);
    }
    if (pid < 0 || write_maps(pid) != 0 || write(fds.go[1], "g", 1) != 1) {
        perror("clone3 or uid maps");
        return -1;
    }
    close(fds.go[0]);
    close(fds.go[1]);
    close(fds.out[1]);
    close(fds.err[1]);
    char text[1024];
    const int drained = drain(fds.out[0], fds.err[0], text, sizeof text);
    close(fds.out[0]);
    close(fds.err[0]);
    int status = 0;
    if (drained != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "child ended with status 0x%x: %s\n", (unsigned)status,
                drained == 0 ? text : "no end of output");
        return -1;
    }
    *elapsed = wy_perf_now_ns() - start;
    return 0;
}

int main(int argc, char **argv) {
    static uint64_t samples[WY_PERF_MAX_ITERATIONS];
    wy_perf_options options;
    if (wy_perf_parse(argc, argv, &options) != 0) {
        return 2;
    }
    for (unsigned i = 0; i < options.warmup + options.iterations; i++) {
        uint64_t elapsed = 0;
        if (run_once(&elapsed) != 0) {
            return 1;
        }
        if (i >= options.warmup) {
            samples[i - options.warmup] = elapsed;
        }
    }
    wy_perf_report("exec.true", &options, samples, options.iterations);
    return 0;
}
