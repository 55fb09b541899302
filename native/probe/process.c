/* Processes: making, watching, tracing and executing them; descriptors. */
#include "probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zygote/launch.h"

#define P_OF_PIDFD ((idtype_t)3)

static void kernel(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    struct utsname name;
    if (uname(&name) != 0) {
        wy_say_errno(answer, "uname");
        return;
    }
    wy_say(answer, WY_PROBE_YES, "%.60s %.60s %.30s", name.sysname, name.release, name.machine);
}

static pid_t start_sleeper(int *pidfd) {
    pid_t child = wy_clone(CLONE_PIDFD, SIGCHLD, pidfd);
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            (void)pause();
        }
    }
    return child;
}

static void end_sleeper(pid_t child) {
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}

static void clone3(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    int pidfd = -1;
    pid_t child = start_sleeper(&pidfd);
    if (child < 0) {
        wy_say_errno(answer, "clone3");
        return;
    }
    end_sleeper(child);
    wy_say(answer, pidfd >= 0 ? WY_PROBE_YES : WY_PROBE_NO, "with a pidfd");
}

static void pidfd(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    pid_t child = fork();
    if (child == 0) {
        for (;;) {
            (void)pause();
        }
    }
    int handle = (int)syscall(SYS_pidfd_open, child, 0);
    siginfo_t end;
    memset(&end, 0, sizeof end);
    if (handle < 0) {
        wy_say_errno(answer, "pidfd_open");
    } else if (syscall(SYS_pidfd_send_signal, handle, SIGKILL, NULL, 0) != 0) {
        wy_say_errno(answer, "pidfd_send_signal");
    } else if (waitid(P_OF_PIDFD, (id_t)handle, &end, WEXITED) != 0) {
        wy_say_errno(answer, "waitid of a pidfd");
    } else {
        wy_say(answer, end.si_pid == child ? WY_PROBE_YES : WY_PROBE_NO, "opened, signalled and waited for");
        return;
    }
    end_sleeper(child);
}

static void pidfd_getfd(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    int handle = -1, null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pid_t child = start_sleeper(&handle);
    int taken = child < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, handle, null, 0);
    if (taken < 0) {
        wy_say_errno(answer, "pidfd_getfd of an own child");
    } else {
        wy_say(answer, WY_PROBE_YES, "takes a descriptor of an own child");
    }
    if (child > 0) {
        end_sleeper(child);
    }
}

static void openat2_resolve(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
    int refused = (int)syscall(SYS_openat2, AT_FDCWD, "/proc/self", &how, sizeof how);
    int cause = errno;
    int opened = (int)syscall(SYS_openat2, AT_FDCWD, "/proc", &how, sizeof how);
    if (opened < 0) {
        wy_say_errno(answer, "openat2");
    } else if (refused >= 0 || cause != ELOOP) {
        wy_say(answer, WY_PROBE_NO, "RESOLVE_NO_SYMLINKS follows a symlink");
    } else {
        wy_say(answer, WY_PROBE_YES, "refuses symlinks where asked");
    }
}

static void execveat_empty(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    int state = 0, program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        char *arguments[] = {"wayang-probe", "--nothing", NULL}, *environment[] = {NULL};
        (void)syscall(SYS_execveat, program, "", arguments, environment, AT_EMPTY_PATH);
        _exit(errno == 0 ? 255 : errno);
    }
    if (child < 0 || waitpid(child, &state, 0) != child) {
        wy_say_errno(answer, "fork");
    } else if (!WIFEXITED(state) || WEXITSTATUS(state) != 0) {
        errno = WIFEXITED(state) ? WEXITSTATUS(state) : EIO;
        wy_say_errno(answer, "execveat by descriptor");
    } else {
        wy_say(answer, WY_PROBE_YES, "executes by descriptor");
    }
}

static void close_range_all(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || syscall(SYS_close_range, (unsigned)fd, (unsigned)fd, 0) != 0) {
        wy_say_errno(answer, "close_range");
        return;
    }
    wy_say(answer, fcntl(fd, F_GETFD) < 0 ? WY_PROBE_YES : WY_PROBE_NO, "closes what it was told");
}

static void memfd_seals(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    int file = memfd_create("wayang-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0) {
        wy_say_errno(answer, "memfd_create");
        return;
    }
    if (ftruncate(file, 4096) != 0 ||
        fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0) {
        wy_say_errno(answer, "F_ADD_SEALS");
        return;
    }
    void *writable = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    int kept = writable == MAP_FAILED && ftruncate(file, 0) != 0;
    wy_say(answer, kept ? WY_PROBE_YES : WY_PROBE_NO, kept ? "size and future writes sealed" : "the seals do not hold");
}

static void no_new_privs(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
        wy_say_errno(answer, "no_new_privs");
        return;
    }
    wy_say(answer, WY_PROBE_YES, "set, and stays");
}

static void ptrace_child(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    char scope[16];
    int handle = -1, state = 0;
    wy_first_line("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof scope);
    pid_t child = start_sleeper(&handle);
    if (child < 0) {
        wy_say_errno(answer, "clone3");
        return;
    }
    if (ptrace(PTRACE_SEIZE, child, NULL, 0) != 0 || ptrace(PTRACE_INTERRUPT, child, NULL, 0) != 0 ||
        waitpid(child, &state, 0) != child || !WIFSTOPPED(state)) {
        wy_say(answer, WY_PROBE_NO, "ptrace of an own child: %s (yama scope %s)", strerror(errno),
               scope[0] != '\0' ? scope : "none");
    } else {
        wy_say(answer, WY_PROBE_YES, "stops an own child (yama scope %s)", scope[0] != '\0' ? scope : "none");
    }
    end_sleeper(child);
}

static void vm_read(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    static volatile int word = 1;
    int handle = -1, seen = 0, wanted = 4711;
    word = wanted;
    pid_t child = start_sleeper(&handle);
    struct iovec here = {&seen, sizeof seen}, there = {(void *)(uintptr_t)&word, sizeof word};
    word = 0;
    if (child < 0 || process_vm_readv(child, &here, 1, &there, 1, 0) != (ssize_t)sizeof seen) {
        wy_say_errno(answer, "process_vm_readv of an own child");
    } else {
        wy_say(answer, seen == wanted ? WY_PROBE_YES : WY_PROBE_NO, "reads an own child");
    }
    if (child > 0) {
        end_sleeper(child);
    }
}

const wy_check wy_process_checks[] = {
    {"kernel.version", kernel, 0},
    {"kernel.clone3", clone3, 0},
    {"kernel.pidfd", pidfd, 0},
    {"kernel.pidfd_getfd", pidfd_getfd, 0},
    {"kernel.openat2", openat2_resolve, 0},
    {"kernel.execveat", execveat_empty, 0},
    {"kernel.close_range", close_range_all, 0},
    {"kernel.memfd_seals", memfd_seals, 0},
    {"sandbox.no_new_privs", no_new_privs, 0},
    {"migration.ptrace", ptrace_child, 0},
    {"migration.process_vm_readv", vm_read, 0},
    {NULL, NULL, 0},
};
