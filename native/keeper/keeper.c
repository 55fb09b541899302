/* States of the whole, in one loop:
 *
 *   both start -> serving -> (spawner dies: a new one, attached to the same daemon)
 *                         -> (daemon dies: the spawner sees the end of file and ends; then both start again)
 *                         -> ending: SHUTDOWN, grace, kill; then the spawner by end of file, grace, kill
 *
 * A daemon that dies before it ever said READY is not started again: the second try would fail as the first did. */
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/priority.h"
#include "keeper/backoff.h"
#include "keeper/configuration.h"
#include "keeper/protocol.h"
#include "sandbox/profile.h"
#include "spawner/wire.h"

typedef struct keeper {
    const wy_keeper_options *options;
    wy_installation installation;
    wy_runtime_dir runtime;
    wy_child_start start;
    int signal_fd, owner_fd, control_fd;
    pid_t spawner, daemon;
    pid_t owner; /* who started us, and may hand over configurations */
    bool ready, ending, wished;
    int exit_code;
    int64_t kill_at_ms;    /* when patience with a child that has to end is over; 0 = nobody has to */
    wy_backoff backoff;    /* and when the next start is due */
} keeper;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
    char line[600];
    int prefix = snprintf(line, sizeof line, "wayang-keeper: ");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + prefix, sizeof line - (size_t)prefix, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s\n", line);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_control(keeper *k) {
    if (k->control_fd >= 0) {
        close(k->control_fd);
        k->control_fd = -1;
    }
}

static void tell_daemon(keeper *k, wy_control_type type, const int *fd) {
    wy_control message = {.type = (uint32_t)type};
    if (k->control_fd >= 0) {
        wy_wire_send(k->control_fd, &message, sizeof message, fd, fd != NULL ? 1 : 0);
    }
}

static void begin_end(keeper *k, int exit_code) {
    if (k->ending) {
        return;
    }
    k->ending = true;
    k->exit_code = exit_code;
    k->kill_at_ms = now_ms() + WY_SHUTDOWN_MS;
    tell_daemon(k, WY_CONTROL_SHUTDOWN, NULL);
}

static void schedule_restart(keeper *k, const char *who) {
    if (wy_backoff_next(&k->backoff, now_ms()) < 0) {
        say("%s ended %d times within a minute: giving up", who, WY_RESTARTS_PER_MINUTE + 1);
        begin_end(k, 1);
    }
}

static bool start_daemon(keeper *k) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return false;
    }
    close_control(k);
    k->daemon = wy_start_daemon(&k->start, pair[1]);
    int failure = errno;
    close(pair[1]);
    if (k->daemon < 0) {
        k->daemon = 0;
        close(pair[0]);
        errno = failure;
        return false;
    }
    k->control_fd = pair[0];
    return true;
}

/* The spawner, with a fresh socket; the daemon if there is none; then the two are introduced. */
static void start_both(keeper *k) {
    int pair[2];
    bool good = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0;
    if (good) {
        k->spawner = wy_start_spawner(&k->start, pair[1]);
        good = k->spawner > 0;
        k->spawner = good ? k->spawner : 0;
        close(pair[1]);
        if (good && (k->daemon > 0 || start_daemon(k))) {
            tell_daemon(k, WY_CONTROL_SPAWNER_ATTACHED, &pair[0]);
        } else {
            good = false;
        }
        int failure = errno;
        close(pair[0]); /* the daemon holds it now; without it the spawner ends */
        errno = failure;
    }
    if (!good) {
        say("cannot start: %s", strerror(errno));
        schedule_restart(k, "the runtime");
    }
}

static void describe(char *out, size_t capacity, int state) {
    if (WIFSIGNALED(state)) {
        snprintf(out, capacity, "signal %d", WTERMSIG(state));
    } else {
        snprintf(out, capacity, "exit code %d", WEXITSTATUS(state));
    }
}

static bool daemon_is_gone(const keeper *k, int patience_ms) {
    int pidfd = (int)syscall(SYS_pidfd_open, k->daemon, 0);
    struct pollfd end = {pidfd, POLLIN, 0};
    bool gone = pidfd >= 0 && poll(&end, 1, patience_ms) == 1;
    close(pidfd);
    return gone;
}

static void on_spawner_end(keeper *k, int state) {
    char how[32];
    k->spawner = 0;
    describe(how, sizeof how, state);
    if (k->ending) {
        return;
    }
    k->kill_at_ms = 0;
    if (k->daemon == 0) { /* it ended because the daemon did; the restart is scheduled already */
        return;
    }
    /* Exit code 0: it saw the end of file, so the daemon has let go of its socket. A dying process does so a moment before it
     * can be reaped: that death is the one to count, and carries the exit code. */
    if (daemon_is_gone(k, WIFEXITED(state) && WEXITSTATUS(state) == 0 ? WY_DYING_MS : 0)) {
        return;
    }
    if (!k->ready && WIFEXITED(state)) { /* a policy that cannot be read stays so */
        say("the spawner cannot start (%s)", how);
        begin_end(k, 1);
        return;
    }
    say("the spawner ended (%s); starting it again", how);
    schedule_restart(k, "the spawner");
}

static void on_daemon_end(keeper *k, int state) {
    char how[32];
    k->daemon = 0;
    close_control(k);
    describe(how, sizeof how, state);
    if (k->ending) {
        k->kill_at_ms = now_ms() + WY_SHUTDOWN_MS + 1000; /* now the spawner's turn, which has 5 seconds itself */
        return;
    }
    if (!k->ready) {
        say("the daemon ended before it was ready (%s)", how);
        begin_end(k, WIFEXITED(state) && WEXITSTATUS(state) != 0 ? WEXITSTATUS(state) : 1);
    } else {
        say("the daemon ended (%s); starting it again", how);
        schedule_restart(k, "the daemon");
    }
    if (k->spawner > 0) {
        k->kill_at_ms = now_ms() + WY_SHUTDOWN_MS + 1000;
    }
}

static void reap(keeper *k) {
    int state;
    pid_t pid;
    while ((pid = waitpid(-1, &state, WNOHANG | __WALL)) > 0) {
        if (pid == k->spawner) {
            on_spawner_end(k, state);
        } else if (pid == k->daemon) {
            if (k->control_fd >= 0) { /* its last word may stand in the socket */
                wy_control message;
                wy_datagram datagram;
                while (wy_wire_receive(k->control_fd, &message, sizeof message, &datagram) == WY_OK) {
                    wy_datagram_close(&datagram);
                    if (datagram.length == sizeof message && message.type == WY_CONTROL_EXIT && !k->ending) {
                        begin_end(k, message.value & 0xff);
                    }
                }
            }
            on_daemon_end(k, state);
        }
    }
}

static void on_signals(keeper *k) {
    struct signalfd_siginfo info;
    while (read(k->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            reap(k);
        } else if (k->ending && k->daemon > 0) { /* asked twice: no more patience */
            kill(k->daemon, SIGKILL);
        } else {
            begin_end(k, 0);
        }
    }
}

static void on_control(keeper *k) {
    wy_control message;
    wy_datagram datagram;
    wy_status status = wy_wire_receive(k->control_fd, &message, sizeof message, &datagram);
    if (status == WY_EMPTY) {
        return;
    }
    if (status != WY_OK) { /* a daemon without its control socket cannot be kept: SIGCHLD follows */
        close_control(k);
        if (k->daemon > 0) {
            kill(k->daemon, SIGTERM);
            k->kill_at_ms = k->kill_at_ms != 0 ? k->kill_at_ms : now_ms() + WY_SHUTDOWN_MS;
        }
        return;
    }
    wy_datagram_close(&datagram);
    if (datagram.length != sizeof message || datagram.truncated) {
        say("the daemon sent something that is no control message; ignored");
    } else if (message.type == WY_CONTROL_READY) {
        k->ready = true;
    } else if (message.type == WY_CONTROL_EXIT) {
        begin_end(k, message.value & 0xff);
    } else if (message.type == WY_CONTROL_FIRST && k->daemon > 0) {
        wy_put_first(k->daemon, message.value);
    } else if (message.type == WY_CONTROL_BEFORE_TASKS && k->daemon > 0 && k->start.root) {
        wy_put_before_tasks(k->daemon, message.value, WY_DAEMON_SLICE_NS);
    }
}

/* A new configuration replaces the one that the next daemon gets, and goes to the one of now. */
static void on_configuration(keeper *k, int number) {
    wy_error error = {0};
    int fd;
    if (wy_configuration_open(k->owner, number, &fd, &error) != WY_OK) {
        say("a new configuration is refused: %s", error.message);
        return;
    }
    if (k->start.configuration_fd >= 0) {
        close(k->start.configuration_fd);
    }
    k->start.configuration_fd = fd;
    tell_daemon(k, WY_CONTROL_CONFIGURATION, &fd);
}

/* The owner's descriptor: configurations come in over it (a message is written at once, so it is never split), anything else
 * means nothing; its end means everything. */
static void on_owner(keeper *k) {
    wy_control messages[32];
    ssize_t got = read(k->owner_fd, messages, sizeof messages);
    for (ssize_t i = 0; i < got / (ssize_t)sizeof messages[0]; i++) {
        if (messages[i].type == WY_CONTROL_CONFIGURATION && !k->ending) {
            on_configuration(k, messages[i].value);
        }
    }
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
        k->owner_fd = -1;
        begin_end(k, 0);
    }
}

static void on_time(keeper *k) {
    int64_t now = now_ms();
    if (k->kill_at_ms != 0 && now >= k->kill_at_ms) {
        k->kill_at_ms = 0;
        if (k->daemon > 0 && (k->ending || k->control_fd < 0)) {
            say("the daemon did not end in time; killing it");
            kill(k->daemon, SIGKILL);
        } else if (k->spawner > 0) {
            say("the spawner did not end in time; killing it");
            kill(k->spawner, SIGKILL);
        }
    }
    if (!k->ending && k->spawner == 0 && now >= k->backoff.start_at_ms) {
        start_both(k);
    }
}

static int wait_time(const keeper *k) {
    int64_t now = now_ms(), wait = 60000;
    if (k->kill_at_ms != 0 && k->kill_at_ms - now < wait) {
        wait = k->kill_at_ms - now;
    }
    if (!k->ending && k->spawner == 0 && k->backoff.start_at_ms - now < wait) {
        wait = k->backoff.start_at_ms - now;
    }
    return wait < 0 ? 0 : (int)wait;
}

static void serve(keeper *k) {
    start_both(k);
    while (!k->ending || k->daemon > 0 || k->spawner > 0) {
        struct pollfd sources[] = {{k->signal_fd, POLLIN, 0}, {k->control_fd, POLLIN, 0}, {k->owner_fd, POLLIN, 0}};
        if (poll(sources, 3, wait_time(k)) > 0) {
            if (sources[1].revents != 0 && k->control_fd >= 0) { /* first: its last word comes before its death */
                on_control(k);
            }
            if (sources[0].revents != 0) {
                on_signals(k);
            }
            if (sources[2].revents != 0 && k->owner_fd >= 0) {
                on_owner(k);
            }
        }
        on_time(k);
    }
}

/* We are the subreaper of all below: whoever is left when both have ended was left behind. */
static void kill_strays(void) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    for (int round = 0; round < 100; round++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
        if (fd >= 0) {
            close(fd);
        }
        if (length <= 0) {
            return;
        }
        text[length] = 0;
        char *rest = NULL;
        for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
            pid_t pid = (pid_t)strtol(word, NULL, 10);
            if (pid > 0 && kill(pid, SIGKILL) == 0) {
                waitpid(pid, NULL, __WALL);
            }
        }
    }
}

static wy_status take_signals(keeper *k, wy_error *error) {
    sigset_t set;
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return k->signal_fd >= 0 ? WY_OK : wy_fail(error, WY_SYSTEM, errno, "signalfd", "no descriptor for signals");
}

/* The policy is read here only to refuse a bad one before anything runs; the spawner reads it again for itself. */
static wy_status check_policy(const wy_keeper_options *options, bool root, wy_error *error) {
    wy_policy *policy = calloc(1, sizeof *policy);
    if (policy == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "policy", "not enough memory");
    }
    wy_status status = wy_policy_load(options->policy_dir, policy, error);
    if (status == WY_OK && root && WY_DAEMON_UID - policy->uid_first < policy->uid_count) {
        status = wy_fail(error, WY_INVALID, 0, "policy", "the uid range holds the daemon's own uid %u", WY_DAEMON_UID);
    }
    if (status == WY_OK) {
        wy_policy_free(policy);
    }
    free(policy);
    return status;
}

static wy_status prepare(keeper *k, wy_error *error) {
    const wy_keeper_options *options = k->options;
    bool root = geteuid() == 0;
    wy_status status = wy_check_owned(options->native_dir, error);
    if (status == WY_OK) {
        status = check_policy(options, root, error);
    }
    if (status == WY_OK) { /* the spawner's; told here, before anything runs */
        char path[600];
        snprintf(path, sizeof path, "%s/wayang-zygote", options->native_dir);
        status = wy_check_owned(path, error);
        snprintf(path, sizeof path, "%s/wayang-migrate-agent", options->native_dir);
        if (status == WY_OK && access(path, F_OK) == 0) { /* not on every architecture */
            status = wy_check_owned(path, error);
        }
    }
    if (status == WY_OK) {
        char path[600];
        snprintf(path, sizeof path, "%s/wayang-spawner", options->native_dir);
        k->start.spawner_binary_fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        status = k->start.spawner_binary_fd >= 0 ? wy_check_owned(path, error)
                                                 : wy_fail(error, WY_SYSTEM, errno, "native", "%.180s", path);
    }
    if (status == WY_OK) {
        status = wy_runtime_dir_open(options->runtime_dir, root, &k->runtime, error);
    }
    k->owner = getppid();
    k->start.configuration_fd = -1;
    if (status == WY_OK && options->configuration_number >= 0) {
        status = wy_configuration_open(k->owner, options->configuration_number, &k->start.configuration_fd, error);
    }
    k->start.options = options;
    k->start.installation = &k->installation;
    k->start.root = root;
    k->installation.daemon_argv = options->daemon_argv;
    snprintf(k->installation.native_dir, sizeof k->installation.native_dir, "%s", options->native_dir);
    if (status == WY_OK && root) {
        status = wy_installation_bind(options, k->runtime.dir_fd, &k->installation, error);
        if (status == WY_OK) {
            status = wy_installation_check(&k->installation, error);
        }
    }
    return status == WY_OK ? take_signals(k, error) : status;
}

int wy_keeper_run(const wy_keeper_options *options) {
    keeper k = {.options = options,
                .signal_fd = -1,
                .control_fd = -1,
                .owner_fd = options->owner_fd,
                .runtime = {.dir_fd = -1, .lock_fd = -1}};
    wy_error error = {0};
    if (prepare(&k, &error) != WY_OK) {
        say("%s: %s%s%s", error.where, error.message, error.sys_errno != 0 ? ": " : "",
            error.sys_errno != 0 ? strerror(error.sys_errno) : "");
        k.exit_code = 1;
    } else {
        serve(&k);
        kill_strays();
    }
    wy_runtime_dir_close(options->runtime_dir, &k.runtime);
    return k.exit_code;
}
