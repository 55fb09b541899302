/* The two children. Each gets its own session (Ctrl-C in a terminal goes to the keeper alone, which ends all in order),
 * default signals, an empty standard input and one socket at descriptor 3. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/priority.h"
#include "keeper/keeper.h"
#include "keeper/protocol.h"

extern char **environ;

int wy_become_daemon_user(void) {
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability) != 0) {
            return -1;
        }
    }
    /* The change of all three uids away from 0 empties the permitted, effective and ambient sets. */
    if (setgroups(0, NULL) != 0 || setresgid(WY_DAEMON_UID, WY_DAEMON_UID, WY_DAEMON_UID) != 0 ||
        setresuid(WY_DAEMON_UID, WY_DAEMON_UID, WY_DAEMON_UID) != 0) {
        return -1;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void reset(int socket_fd) {
    sigset_t none;
    for (int number = 1; number < NSIG; number++) {
        signal(number, SIG_DFL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    int null_fd = open("/dev/null", O_RDONLY);
    if (null_fd > 0) {
        dup2(null_fd, 0);
    }
    if (socket_fd != WY_CONTROL_FD) {
        dup2(socket_fd, WY_CONTROL_FD);
    } else {
        fcntl(socket_fd, F_SETFD, 0);
    }
}

/* All above the last one goes when the program is executed; closing at once would take the descriptor of the program itself. */
static void close_rest_on_exec(int last) {
    syscall(SYS_close_range, last + 1, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */);
}

/* SIGTERM when the keeper dies: both then end in order (groups have to be removed too, which takes milliseconds; holders carry SIGKILL
 * themselves, so even a killed spawner takes everything along). If that happened before it was set, the parent has changed. */
static void die_with_keeper(pid_t keeper) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != keeper) {
        _exit(1);
    }
}

pid_t wy_start_spawner(const wy_child_start *start, int socket_fd) {
    pid_t keeper = getpid(), child = fork();
    if (child != 0) {
        return child;
    }
    char *arguments[12 + 2 * WY_KEEPER_MAX_ROOTS] = {"wayang-spawner",
                         "--socket-fd",
                         "3",
                         "--policy",
                         (char *)start->options->policy_dir,
                         "--native",
                         (char *)start->options->native_dir,
                         "--instance",
                         (char *)start->options->instance,
                         NULL};
    int next = 9;
    for (uint32_t i = 0; i < start->options->root_count; i++) {
        arguments[next++] = "--root";
        arguments[next++] = (char *)start->options->roots[i];
    }
    if (start->options->space_dir != NULL) {
        arguments[next++] = "--space";
        arguments[next++] = (char *)start->options->space_dir;
    }
    int binary = fcntl(start->spawner_binary_fd, F_DUPFD_CLOEXEC, 10);
    reset(socket_fd);
    close_rest_on_exec(WY_CONTROL_FD);
    die_with_keeper(keeper);
    syscall(SYS_execveat, binary, "", arguments, environ, 0x1000 /* AT_EMPTY_PATH */);
    fprintf(stderr, "wayang-keeper: wayang-spawner cannot be executed: %s\n", strerror(errno));
    _exit(127);
}

/* Out of the way of the numbers that are given, and at its beginning: an earlier daemon has read it. */
static int give_configuration(int fd) {
    return fd >= 0 && lseek(fd, 0, SEEK_SET) == 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 10) : -1;
}

static void place_configuration(int fd) {
    if (fd >= 0) {
        dup2(fd, WY_CONFIGURATION_FD);
    }
}

/* What the daemon's runtime collects at on whichever thread allocates: above what the daemon lets stand (CollectionPacer: a 64th of the memory, 256 MiB at most). */
static void set_garbage_bound(void) {
    const uint64_t most = UINT64_C(384) << 20;
    char text[24];
    uint64_t share = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 16;
    snprintf(text, sizeof text, "%llx", (unsigned long long)(share < most ? share : most)); /* hexadecimal, without a prefix */
    setenv("DOTNET_GCgen0size", text, 0);
}

static void set_environment(const wy_child_start *start) {
    char number[16];
    snprintf(number, sizeof number, "%d", WY_CONTROL_FD);
    setenv("WAYANG_CONTROL_FD", number, 1);
    unsetenv("WAYANG_CONFIGURATION_FD");
    if (start->configuration_fd >= 0) {
        snprintf(number, sizeof number, "%d", WY_CONFIGURATION_FD);
        setenv("WAYANG_CONFIGURATION_FD", number, 1);
    }
    setenv("WAYANG_RUNTIME_DIR", start->options->runtime_dir, 1);
    setenv("WAYANG_NATIVE", start->installation->native_dir, 1);
    setenv("WAYANG_INSTANCE", start->options->instance, 1);
    setenv("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1", 0);
    set_garbage_bound();
    if (start->installation->dotnet_root[0] != 0) {
        setenv("DOTNET_ROOT", start->installation->dotnet_root, 1);
    }
    if (start->root) { /* root's home is not for the daemon */
        setenv("HOME", start->options->runtime_dir, 1);
        setenv("USER", "wayang", 1);
        setenv("LOGNAME", "wayang", 1);
    }
}

pid_t wy_start_daemon(const wy_child_start *start, int control_fd) {
    pid_t keeper = getpid(), child = fork();
    if (child != 0) {
        return child;
    }
    int configuration = give_configuration(start->configuration_fd);
    reset(control_fd);
    place_configuration(configuration);
    close_rest_on_exec(configuration >= 0 ? WY_CONFIGURATION_FD : WY_CONTROL_FD);
    set_environment(start);
    if (start->root) {
        wy_outrank_tasks(WY_DAEMON_SLICE_NS);
        if (chdir("/") != 0 || wy_become_daemon_user() != 0) {
            fprintf(stderr, "wayang-keeper: the daemon cannot be given its own user: %s\n", strerror(errno));
            _exit(126);
        }
    }
    die_with_keeper(keeper); /* after the change of user, which clears it */
    execv(start->installation->daemon_argv[0], start->installation->daemon_argv);
    fprintf(stderr, "wayang-keeper: %s cannot be executed: %s\n", start->installation->daemon_argv[0], strerror(errno));
    _exit(127);
}
