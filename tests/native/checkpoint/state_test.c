/* PS1: every state that a moved process would lose is found and refused by its name. Each child makes itself one such state. */
#include "../check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "checkpoint/pages.h"
#include "checkpoint/state.h"

#define DOORBELL 3
#define GUARD_INSTALL 102
#define SKIPPED 77

/* Where a child's system calls on our behalf are made. */
__asm__(".text\n.globl test_syscall\ntest_syscall: syscall\nret\n");
extern const char test_syscall[];

typedef struct state_case {
    const char *name;
    int (*make)(void); /* 0; -1: this host cannot */
    const char *where; /* NULL: accepted */
    int confined;
} state_case;

static void *wait_for_ever(void *unused) {
    (void)unused;
    for (;;) {
        (void)pause();
    }
    return NULL;
}

static int nothing(void) {
    return 0;
}

static int thread(void) {
    pthread_t id;
    return pthread_create(&id, NULL, wait_for_ever, NULL) == 0 ? 0 : -1;
}

static int child(void) {
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        (void)syscall(SYS_close_range, 0, ~0u, 0); /* nobody waits for its end of the pipe */
        (void)wait_for_ever(NULL);
    }
    return pid > 0 ? 0 : -1;
}

static int file(void) {
    return open("/dev/null", O_RDONLY) >= 0 ? 0 : -1;
}

static int socket_pair(void) {
    int both[2];
    return socketpair(AF_UNIX, SOCK_STREAM, 0, both);
}

static int second_eventfd(void) {
    return eventfd(0, 0) >= 0 ? 0 : -1;
}

static int io_uring(void) {
    uint32_t parameters[30] = {0};
    return syscall(SYS_io_uring_setup, 1, parameters) >= 0 ? 0 : -1;
}

static int posix_timer(void) {
    timer_t id;
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    return timer_create(CLOCK_MONOTONIC, &event, &id);
}

static int alarm_of(int which) {
    const struct itimerval later = {.it_value.tv_sec = 3600};
    return setitimer(which, &later, NULL);
}

static int alarm_real(void) {
    return alarm_of(ITIMER_REAL);
}

static int alarm_virtual(void) {
    return alarm_of(ITIMER_VIRTUAL);
}

static int alarm_profiling(void) {
    return alarm_of(ITIMER_PROF);
}

static int signal_stack(void) {
    static char room[65536];
    const stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
    return sigaltstack(&stack, NULL);
}

static int shared_memory(void) {
    return mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static int rseq(void) {
    static _Alignas(32) char area[32];
    return (int)syscall(SYS_rseq, area, sizeof area, 0, 0x53053053);
}

static int waiting_signal(void) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    return sigprocmask(SIG_BLOCK, &one, NULL) == 0 && kill(getpid(), SIGUSR1) == 0 ? 0 : -1;
}

static int locked(void) {
    static char page[8192];
    return mlock(page, 4096);
}

static int guard(void) {
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -1 : madvise(page, 4096, GUARD_INSTALL);
}

static pid_t start(const state_case *one, int *cannot) {
    int told[2];
    char word = 0;
    if (pipe(told) != 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        int out = fcntl(told[1], F_DUPFD, 100);
        int bell = fcntl(eventfd(0, 0), F_DUPFD, 101);
        (void)dup2(bell, DOORBELL);
        (void)syscall(SYS_close_range, 0, DOORBELL - 1, 0);
        (void)syscall(SYS_close_range, DOORBELL + 1, out - 1, 0);
        (void)syscall(SYS_close_range, out + 1, ~0u, 0);
        word = one->make() == 0 ? 'y' : 'n';
        (void)!write(out, &word, 1);
        (void)close(out);
        (void)wait_for_ever(NULL);
    }
    (void)close(told[1]);
    *cannot = read(told[0], &word, 1) != 1 || word != 'y';
    while (read(told[0], &word, 1) > 0) { /* its end of the pipe is closed: it has come to rest */
    }
    (void)close(told[0]);
    return pid;
}

static wy_status look(pid_t pid, const state_case *one, wy_error *error) {
    const wy_state_rules rules = {.confined = one->confined, .doorbell_fd = DOORBELL, .kernel_pages = 1};
    wy_tracee tracee;
    wy_state_facts facts;
    wy_vmas vmas = {0};
    wy_runs own = {0};
    wy_status status = wy_tracee_freeze(pid, (uint64_t)(uintptr_t)test_syscall, 1, &tracee, error);
    if (status != WY_OK) {
        return status;
    }
    status = wy_vmas_read(pid, &vmas, error);
    wy_state_read(pid, &facts);
    status = status == WY_OK ? wy_state_check(&tracee, &facts, &vmas, &rules, error) : status;
    for (uint32_t i = 0; i < vmas.count && status == WY_OK; i++) {
        status = (vmas.items[i].flags & WY_VMA_KERNEL) == 0
                     ? wy_pages_own(&tracee.memory, &vmas.items[i], vmas.items[i].start, vmas.items[i].end, &own, NULL, error)
                     : WY_OK;
        wy_runs_free(&own);
    }
    wy_vmas_free(&vmas);
    wy_tracee_close(&tracee);
    return status;
}

static void run(const state_case *one) {
    wy_error error = {0};
    int cannot = 0;
    pid_t pid = start(one, &cannot);
    CHECK(pid > 0);
    if (cannot) {
        (void)dprintf(1, "--   %s: this host cannot make it\n", one->name);
    } else {
        wy_status status = look(pid, one, &error);
        CHECK(status == (one->where == NULL ? WY_OK : WY_DENIED));
        CHECK(one->where == NULL || strcmp(error.where, one->where) == 0);
        if (check_group_failures > 0) {
            (void)dprintf(1, "  said: %d %s: %s\n", (int)status, error.where, error.message);
        }
        check_done(one->name);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

int main(int argc, char **argv) {
    static const state_case cases[] = {
        {"nothing of it", nothing, NULL, 0},
        {"no filter", nothing, "filter", 1},
        {"a thread", thread, "threads", 0},
        {"a child", child, "children", 0},
        {"a file", file, "descriptors", 0},
        {"a socket", socket_pair, "descriptors", 0},
        {"an io_uring", io_uring, "descriptors", 0},
        {"a second eventfd", second_eventfd, "descriptors", 0},
        {"a POSIX timer", posix_timer, "timers", 0},
        {"an alarm", alarm_real, "alarm", 0},
        {"a virtual alarm", alarm_virtual, "alarm", 0},
        {"a profiling alarm", alarm_profiling, "alarm", 0},
        {"a signal stack", signal_stack, "sigaltstack", 0},
        {"shared memory", shared_memory, "shared memory", 0},
        {"a restartable sequence", rseq, "rseq", 0},
        {"a waiting signal", waiting_signal, "signal", 0},
        {"locked memory", locked, "locked memory", 0},
        {"a guard page", guard, "guard", 0},
    };
    /* libc registers a restartable sequence of its own unless it is told not to, before main. */
    if (argc == 1 && setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1) == 0) {
        char again[] = "again", *arguments[] = {argv[0], again, NULL};
        (void)execv("/proc/self/exe", arguments);
        return 1;
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run(&cases[i]);
    }
    return check_failures == 0 ? 0 : 1;
}
