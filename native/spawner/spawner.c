#include "base/priority.h"
#include "spawner/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/derive.h"
#include "spawner/state.h"
#include "zygote/lend.h"

#define MAX_WORKERS 4096u /* whatever the policy says: tables are walked */
#define MAX_IMAGES 1024u
#define SLICE_NS 200000u /* longer than that of who answers somebody (0.1 ms: the daemon's completion thread, urgent workers), which is not to wait behind a fork; shorter than that of all others */

static wy_status check_instance(const char *instance, wy_error *error) {
    size_t length = strlen(instance);
    if (length == 0 || length > 48 ||
        strspn(instance, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != length) {
        return wy_fail(error, WY_INVALID, 0, "instance", "the name is not [A-Za-z0-9_-]{1,48}");
    }
    return WY_OK;
}

static wy_status check_socket(int fd, wy_error *error) {
    int type = 0, domain = 0;
    socklen_t length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0) {
        return wy_fail(error, WY_INVALID, errno, "socket", "descriptor %d is no socket", fd);
    }
    if (type != SOCK_SEQPACKET || domain != AF_UNIX) {
        return wy_fail(error, WY_INVALID, 0, "socket", "descriptor %d is no unix socket of type SOCK_SEQPACKET", fd);
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return WY_OK;
}

/* SIGCHLD back to its default: inherited as "ignored" it would reap our children behind our back. SIGTERM and SIGINT come
 * as readable events. */
static wy_status take_signals(wy_spawner *s, wy_error *error) {
    sigset_t set;
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "signals", "signals cannot be blocked");
    }
    sigdelset(&set, SIGHUP); /* a lost terminal is no reason to end */
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signal_fd >= 0 ? WY_OK : wy_fail(error, WY_SYSTEM, errno, "signalfd", "no descriptor for signals");
}

static wy_status make_tables(wy_spawner *s, wy_error *error) {
    if (s->policy.max_workers == 0 || s->policy.max_workers > MAX_WORKERS || s->policy.max_images == 0 ||
        s->policy.max_images > MAX_IMAGES) {
        return wy_fail(error, WY_INVALID, 0, "policy", "max_workers has to be 1 to %u, max_images 1 to %u", MAX_WORKERS,
                       MAX_IMAGES);
    }
    if (s->root && (s->policy.uid_first == 0 || s->policy.uid_count < s->policy.max_images)) {
        return wy_fail(error, WY_INVALID, 0, "policy", "the uid range holds host 0 or fewer than max_images users");
    }
    s->images = calloc(s->policy.max_images, sizeof *s->images);
    return s->images != NULL && wy_table_make(s) == WY_OK ? WY_OK
                                                          : wy_fail(error, WY_NO_MEMORY, 0, "tables", "not enough memory");
}

static wy_status open_zygote_binary(wy_spawner *s, const char *native_dir, wy_error *error) {
    int dir = open(native_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        s->zygote_binary_fd = openat(dir, "wayang-zygote", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        int failure = errno;
        /* Not there: built without Python, told when a Python image is asked for. */
        s->python_fd = openat(dir, "wayang_python.so", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        /* Not there: no worker is moved, and whoever asks is told. */
        s->agent_binary_fd = openat(dir, "wayang-migrate-agent", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        close(dir);
        errno = failure;
    }
    return s->zygote_binary_fd >= 0
               ? WY_OK
               : wy_fail(error, WY_SYSTEM, errno, "wayang-zygote", "cannot be opened in %.150s", native_dir);
}

/* A worker costs three descriptors and a group five. What the spawner starts sets its own limit from the profile. */
static void raise_descriptor_limit(const wy_spawner *s) {
    struct rlimit limit;
    rlim_t wanted = 64 + (rlim_t)(s->policy.max_workers + s->policy.max_images) * 12;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted) {
        struct rlimit higher = {.rlim_cur = wanted, .rlim_max = limit.rlim_max > wanted ? limit.rlim_max : wanted};
        if (setrlimit(RLIMIT_NOFILE, &higher) != 0) {
            higher.rlim_cur = higher.rlim_max = limit.rlim_max;
            setrlimit(RLIMIT_NOFILE, &higher);
        }
    }
}

static wy_status prepare(wy_spawner *s, const wy_spawner_options *options, wy_error *error) {
    wy_status status = check_instance(options->instance, error);
    if (status == WY_OK) {
        status = check_socket(options->socket_fd, error);
    }
    if (status == WY_OK) {
        status = wy_policy_load(options->policy_dir, &s->policy, error);
    }
    for (uint32_t i = 0; i < options->root_count && status == WY_OK; i++) {
        status = wy_policy_lend(&s->policy, options->roots[i], error);
    }
    if (status == WY_OK && options->root_count > 0) {
        s->policy.overlays = wy_overlay_try() == 0;
    }
    if (status == WY_OK) {
        status = make_tables(s, error);
    }
    if (status == WY_OK) {
        status = open_zygote_binary(s, options->native_dir, error);
    }
    if (status == WY_OK && getrandom(s->steady_random, sizeof s->steady_random, 0) != (ssize_t)sizeof s->steady_random) {
        status = wy_fail(error, WY_SYSTEM, errno, "getrandom", "no random bytes");
    }
    if (status == WY_OK) {
        raise_descriptor_limit(s);
        status = wy_cgroups_open(&s->groups, s->policy.cgroup_parent, options->instance, error);
    }
    return status == WY_OK ? take_signals(s, error) : status;
}

wy_status wy_spawner_open(const wy_spawner_options *options, wy_spawner **out, wy_error *error) {
    wy_spawner *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "open", "not enough memory");
    }
    s->daemon_fd = s->epoll_fd = s->signal_fd = s->zygote_binary_fd = s->python_fd = s->agent_binary_fd = -1;
    s->log_fd = options->log_fd;
    s->root = geteuid() == 0;
    wy_spaces_open(&s->spaces, options->space_dir, s->root);
    for (int i = 0; i < WY_CONTROLLER_COUNT; i++) {
        s->groups.base_fd[i] = -1;
    }
    wy_status status = prepare(s, options, error);
    if (status == WY_OK) {
        s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        s->daemon_fd = options->socket_fd;
        if (s->epoll_fd < 0 || wy_watch(s, s->daemon_fd, EPOLLIN, WY_SOURCE_DAEMON, 0, 0) != WY_OK ||
            wy_watch(s, s->signal_fd, EPOLLIN, WY_SOURCE_SIGNAL, 0, 0) != WY_OK) {
            status = wy_fail(error, WY_SYSTEM, errno, "epoll", "the event loop cannot be set up");
        }
    }
    if (status != WY_OK) {
        s->daemon_fd = -1; /* stays the caller's */
        wy_spawner_close(s);
        return status;
    }
    if (s->root) {
        wy_outrank_tasks(SLICE_NS); /* each worker gets its own class */
    }
    *out = s;
    return WY_OK;
}

void wy_spawner_close(wy_spawner *s) {
    if (s == NULL) {
        return;
    }
    wy_outbox_free(&s->outbox);
    wy_spaces_close(&s->spaces);
    wy_cgroups_close(&s->groups);
    int *descriptors[] = {&s->daemon_fd, &s->signal_fd, &s->zygote_binary_fd, &s->python_fd, &s->agent_binary_fd, &s->epoll_fd};
    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++) {
        if (*descriptors[i] >= 0) {
            close(*descriptors[i]);
        }
    }
    wy_policy_free(&s->policy);
    free(s->images);
    wy_table_free(s);
    free(s);
}
