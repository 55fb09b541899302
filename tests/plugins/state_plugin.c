/* One function a state that a moved process would lose: it tries to make it, computes on, and answers what the kernel said (an errno, 0: it has the state) and a
 * sum which depends on every step. Input "N": rounds. Raw calls: no library of its own stands between the call and the filter. */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "wayang_plugin.h"

#define GUARD_INSTALL 102 /* MADV_GUARD_INSTALL: newer than many headers */

typedef struct state {
    const char *name;
    int (*make)(void); /* 0, or -1 with errno */
} state;

static char room[1 << 16] __attribute__((aligned(4096)));

static int nothing(void) {
    return 0;
}

static int thread(void) {
    const long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    long id = syscall(SYS_clone, flags, room + sizeof room / 2, NULL, NULL, 0);
    while (id == 0) { /* where it was let: it stays, and touches nothing */
    }
    return id < 0 ? -1 : 0;
}

static int child(void) {
    long id = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
    while (id == 0) {
    }
    return id < 0 ? -1 : 0;
}

static int file(void) {
    return syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY) < 0 ? -1 : 0;
}

static int duplicate(void) {
    return syscall(SYS_dup, 3) < 0 ? -1 : 0;
}

static int pipe_pair(void) {
    int both[2];
    return (int)syscall(SYS_pipe2, both, 0);
}

static int memory_file(void) {
    return syscall(SYS_memfd_create, "state", 0) < 0 ? -1 : 0;
}

static int second_eventfd(void) {
    return syscall(SYS_eventfd2, 0, 0) < 0 ? -1 : 0;
}

static int poller(void) {
    return syscall(SYS_epoll_create1, 0) < 0 ? -1 : 0;
}

static int socket_alone(void) {
    return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0) < 0 ? -1 : 0;
}

static int socket_pair(void) {
    int both[2];
    return (int)syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, both);
}

static int io_uring(void) {
    struct io_uring_params parameters = {0};
    return syscall(SYS_io_uring_setup, 1, &parameters) < 0 ? -1 : 0;
}

static int fault_handler(void) {
    return syscall(SYS_userfaultfd, 0) < 0 ? -1 : 0;
}

static int posix_timer(void) {
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    int id = 0;
    return (int)syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id);
}

static int timer_file(void) {
    return syscall(SYS_timerfd_create, CLOCK_MONOTONIC, 0) < 0 ? -1 : 0;
}

static int interval_timer(void) {
    const struct itimerval later = {.it_value.tv_sec = 3600};
    return (int)syscall(SYS_setitimer, ITIMER_REAL, &later, NULL);
}

static int signal_stack(void) {
    const stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
    return (int)syscall(SYS_sigaltstack, &stack, NULL);
}

static int shared_mapping(void) {
    return mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static int shared_segment(void) {
    return syscall(SYS_shmget, IPC_PRIVATE, 4096, IPC_CREAT | 0600) < 0 ? -1 : 0;
}

static int rseq(void) {
    static uint8_t area[32] __attribute__((aligned(32)));
    return (int)syscall(SYS_rseq, area, sizeof area, 0, 0x53053053);
}

static int robust_list(void) {
    static struct {
        void *next;
        long offset;
        void *pending;
    } head;
    head.next = &head;
    return (int)syscall(SYS_set_robust_list, &head, sizeof head);
}

static int timer_slack(void) {
    return (int)syscall(SYS_prctl, PR_SET_TIMERSLACK, 1, 0, 0, 0);
}

static int locked(void) {
    return (int)syscall(SYS_mlock, room, 4096);
}

static int locked_mapping(void) {
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) == MAP_FAILED ? -1 : 0;
}

static int guard(void) {
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? -1 : madvise(pages, 4096, GUARD_INSTALL);
}

static int waiting_signal(void) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGABRT);
    return sigprocmask(SIG_BLOCK, &set, NULL) != 0 || raise(SIGABRT) != 0 ? -1 : 0;
}

static int run(wayang_call *call, const void *input, size_t length) {
    const state *one = call->state;
    uint64_t sum = length;
    errno = 0;
    int said = one->make() == 0 ? 0 : errno;
    wayang_progress(call, 1, "made", 4);
    for (uint64_t i = 0, rounds = strtoull(input, NULL, 10); i < rounds; i++) {
        sum = (sum ^ i) * UINT64_C(0x9e3779b97f4a7c15);
        sum ^= sum >> 29;
    }
    char text[32];
    int used = snprintf(text, sizeof text, "%d %016llx", said, (unsigned long long)sum);
    return wayang_append(call, text, (size_t)used);
}

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry) {
    static state all[] = {
        {"nothing", nothing},           {"thread", thread},           {"child", child},
        {"file", file},                 {"duplicate", duplicate},     {"pipe", pipe_pair},
        {"memory_file", memory_file},   {"eventfd", second_eventfd},  {"poller", poller},
        {"socket", socket_alone},       {"socket_pair", socket_pair}, {"io_uring", io_uring},
        {"userfaultfd", fault_handler}, {"posix_timer", posix_timer}, {"timer_file", timer_file},
        {"interval_timer", interval_timer}, {"signal_stack", signal_stack}, {"shared_mapping", shared_mapping},
        {"shared_segment", shared_segment}, {"rseq", rseq},           {"robust_list", robust_list},
        {"timer_slack", timer_slack},   {"locked", locked},           {"locked_mapping", locked_mapping},
        {"guard", guard},               {"waiting_signal", waiting_signal},
    };
    (void)host;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (registry->add(registry, all[i].name, run, &all[i]) != 0) {
            return 1;
        }
    }
    return 0;
}
