#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel/layout.h"
#include "zygote/zygote.h"

extern char **environ;

wy_status wy_init_prepare(wy_error *error) {
    sigset_t children;
    (void)sigemptyset(&children);
    (void)sigaddset(&children, SIGCHLD);
    (void)prctl(PR_SET_NAME, "wayang-init", 0, 0, 0);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || sigprocmask(SIG_BLOCK, &children, NULL) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "init", "cannot prepare: %s", strerror(errno));
    }
    int signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) {
        return wy_fail(error, WY_SYSTEM, errno, "init", "signalfd: %s", strerror(errno));
    }
    if (signals != WY_INIT_FD_SIGNALS) {
        if (dup3(signals, WY_INIT_FD_SIGNALS, O_CLOEXEC) < 0) {
            return wy_fail(error, WY_SYSTEM, errno, "init", "dup3: %s", strerror(errno));
        }
        (void)close(signals);
    }
    return WY_OK;
}

/* In the command's process: tells on its own standard error why it could not start. */
static _Noreturn void give_up(const char *what, const char *name, int cause, int code) {
    char text[512];
    int length = snprintf(text, sizeof text, "wayang: cannot %s '%.256s': %s\n", what, name, strerror(cause));
    if (length > 0) {
        ssize_t ignored = write(STDERR_FILENO, text, (size_t)length);
        (void)ignored;
    }
    _exit(code);
}

static _Noreturn void run_command(const wy_arguments *arguments) {
    sigset_t none;
    (void)sigemptyset(&none);
    (void)setsid(); /* a group of its own: what WY_BOOT_SIGNAL reaches */
    (void)syscall(SYS_close_range, 3, ~0u, 0);
    if (chdir(arguments->cwd) != 0) {
        give_up("enter", arguments->cwd, errno, 126);
    }
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    environ = arguments->environment; /* execvp searches the command's PATH, not ours */
    (void)execvp(arguments->argv[0], arguments->argv);
    give_up("execute", arguments->argv[0], errno, errno == ENOENT || errno == ENOTDIR ? 127 : 126);
}

/* Whoever removes its files on the way out is not seen: what is told is what init sees. A large write is refused while there
 * is room for a part of it: less than a mebibyte, or than a 64th of a small space, is none. */
static int disk_is_full(void) {
    struct statvfs space;
    if (statvfs("/tmp", &space) != 0) {
        return 0;
    }
    uint64_t little = space.f_blocks / 64, mebibyte = (UINT64_C(1) << 20) / space.f_bsize;
    return space.f_ffree == 0 || space.f_bavail == 0 || space.f_bavail < (little < mebibyte ? little : mebibyte);
}

static void tell_end(int status) {
    wy_boot ended;
    memset(&ended, 0, sizeof ended);
    ended.type = WY_BOOT_ENDED;
    ended.kind = WIFSIGNALED(status) ? 2 : 1;
    ended.value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    ended.flags = disk_is_full() ? WY_BOOT_DISK_FULL : 0;
    while (write(WY_WORKER_FD_BOOT, &ended, sizeof ended) < 0 && errno == EINTR) {
    }
}

/* Reaps all that ended, orphans too; returns 1 when the command was among them. */
static int reap(pid_t command, int *status) {
    struct signalfd_siginfo ignored;
    while (read(WY_INIT_FD_SIGNALS, &ignored, sizeof ignored) > 0) {
    }
    int found = 0, one = 0;
    for (pid_t pid = waitpid(-1, &one, WNOHANG); pid > 0; pid = waitpid(-1, &one, WNOHANG)) {
        if (pid == command) {
            *status = one;
            found = 1;
        }
    }
    return found;
}

static int may_forward(int number) {
    static const int allowed[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGKILL};
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        if (allowed[i] == number) {
            return 1;
        }
    }
    return 0;
}

/* Stops the command, or lets it go on: all processes of the namespace, orphans and other sessions too. The kernel signals all that
 * there are under one lock, so none is forked past it; it leaves us out. */
static int may_send_to_all(int number) {
    return number == SIGSTOP || number == SIGCONT;
}

/* Returns -1 when the spawner is gone: nobody is left to tell. */
static int forward(pid_t command) {
    wy_boot message;
    ssize_t got = read(WY_WORKER_FD_BOOT, &message, sizeof message);
    if (got < 0) {
        return errno == EINTR || errno == EAGAIN ? 0 : -1;
    }
    if (got == 0) {
        return -1;
    }
    if (got == (ssize_t)sizeof message && message.type == WY_BOOT_SIGNAL && may_send_to_all(message.value)) {
        (void)kill(-1, message.value);
    } else if (got == (ssize_t)sizeof message && message.type == WY_BOOT_SIGNAL && may_forward(message.value)) {
        /* The group appears with the command's setsid: until then the process itself is meant. */
        if (kill(-command, message.value) != 0) {
            (void)kill(command, message.value);
        }
    }
    return 0;
}

/* Ends every other process of the namespace, so that nobody can change a file while it is read. */
static int stand_alone(void) {
    if (kill(-1, SIGKILL) != 0 && errno != ESRCH) {
        return -1;
    }
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
    }
    return 0;
}

_Noreturn void wy_init_run(const wy_arguments *arguments, const wy_stage *stage) {
    const char *what = arguments->cwd;
    int cwd = stage != NULL ? wy_inputs_write(stage, arguments->cwd, &what) : -1;
    if (stage != NULL && cwd < 0) {
        give_up("write the input", what, errno, 126);
    }
    if (stage != NULL) {
        (void)close(stage->fd); /* nothing below may find it, whatever it finds of us */
    }
    pid_t command = fork();
    if (command == 0) {
        run_command(arguments);
    }
    if (command < 0) {
        give_up("start a process for", arguments->argv[0], errno, 126);
    }
    (void)syscall(SYS_close_range, 0, 2, 0); /* the pipes end with the command's processes, not with us */
    struct pollfd sources[] = {{WY_INIT_FD_SIGNALS, POLLIN, 0}, {WY_WORKER_FD_BOOT, POLLIN, 0}};
    for (;;) {
        int status = 0;
        if (poll(sources, 2, -1) < 0 && errno != EINTR) {
            _exit(1);
        }
        if (reap(command, &status)) {
            tell_end(status);
            if (stage != NULL && stage->header.flags != 0 && stand_alone() == 0) {
                wy_artifacts_send(stage, cwd);
            }
            _exit(0);
        }
        if (sources[1].revents != 0 && forward(command) != 0) {
            _exit(1);
        }
    }
}
