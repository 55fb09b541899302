/* Taking all there is. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "escape.h"

#define MIB (1u << 20)
#define FLOOD_BYTES (64u * MIB)

static volatile int for_ever = 1;
static char block[MIB];

static long memory_bomb(void) {
    for (;;) {
        void *more = mmap(NULL, 16u * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more == MAP_FAILED) {
            return -1;
        }
        memset(more, 1, 16u * MIB);
    }
}

static long fill_file(int fd) {
    memset(block, 1, sizeof block);
    for (;;) {
        if (fd < 0 || write(fd, block, sizeof block) < 0) {
            return -1;
        }
    }
}

static long tmpfs_bomb(void) {
    return fill_file(open("/tmp/escape-full", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/* Files that no size of /tmp bounds: the memory group has to. */
static long memfd_bomb(void) {
    for (int i = 0;; i++) {
        int fd = (int)syscall(SYS_memfd_create, "escape", 0);
        if (fd < 0) {
            return -1;
        }
        memset(block, 1, sizeof block);
        for (int written = 0; written < 64; written++) {
            if (write(fd, block, sizeof block) < 0) {
                return -1;
            }
        }
    }
}

static long inode_bomb(void) {
    char path[64];
    for (unsigned i = 0;; i++) {
        (void)snprintf(path, sizeof path, "/tmp/escape-%u", i);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) {
            return -1;
        }
        (void)close(fd);
    }
}

static long descriptor_bomb(void) {
    for (;;) {
        if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) {
            return -1;
        }
    }
}

static long eventfd_bomb(void) {
    for (;;) {
        if (eventfd(0, EFD_CLOEXEC) < 0) {
            return -1;
        }
    }
}

static long pipe_bomb(void) {
    int ends[2];
    for (;;) {
        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
            return -1;
        }
        (void)fcntl(ends[1], F_SETPIPE_SZ, (int)MIB);
        while (write(ends[1], block, sizeof block) > 0) {
        }
    }
}

/* Children that wait, until no more can be made. */
static long fork_bomb(void) {
    for (;;) {
        pid_t child = fork();
        if (child < 0) {
            return -1;
        }
        if (child == 0) {
            for (;;) {
                (void)pause();
            }
        }
    }
}

static long zombie_storm(void) {
    for (;;) {
        pid_t child = fork();
        if (child < 0) {
            return -1;
        }
        if (child == 0) {
            _exit(0);
        }
    }
}

static void *wait_for_ever(void *unused) {
    (void)unused;
    for (;;) {
        (void)pause();
    }
    return NULL;
}

static long thread_bomb(void) {
    pthread_attr_t small;
    pthread_t thread;
    (void)pthread_attr_init(&small);
    (void)pthread_attr_setstacksize(&small, 16384 * 2);
    for (;;) {
        int failure = pthread_create(&thread, &small, wait_for_ever, NULL);
        if (failure != 0) {
            errno = failure;
            return -1;
        }
    }
}

static long signal_bomb(void) {
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    for (;;) {
        union sigval value = {.sival_int = 1};
        if (sigqueue(getpid(), SIGRTMIN, value) != 0) {
            return -1;
        }
    }
}

static long timer_bomb(void) {
    for (;;) {
        timer_t timer;
        struct sigevent none = {.sigev_notify = SIGEV_NONE};
        if (timer_create(CLOCK_MONOTONIC, &none, &timer) != 0) {
            return -1;
        }
    }
}

static long flood(int fd) {
    memset(block, 'x', sizeof block);
    for (size_t written = 0; written < FLOOD_BYTES;) {
        ssize_t some = write(fd, block, sizeof block);
        if (some < 0) {
            return -1;
        }
        written += (size_t)some;
    }
    return write(fd, "\n", 1) == 1 ? ESCAPE_CONTAINED : -1;
}

static long log_flood(void) {
    return flood(STDERR_FILENO);
}

static long output_flood(void) {
    return flood(STDOUT_FILENO);
}

static long processor_hog(void) {
    while (for_ever) {
    }
    return ESCAPE_WENT;
}

static long sleep_for_ever(void) {
    const struct timespec day = {.tv_sec = 86400};
    while (for_ever) {
        (void)nanosleep(&day, NULL);
    }
    return ESCAPE_WENT;
}

static long ignore_term(void) {
    for (int number = 1; number < 32; number++) {
        (void)signal(number, SIG_IGN);
    }
    return sleep_for_ever();
}

static long deep(long depth) {
    volatile char here[4096];
    here[0] = (char)depth;
    return for_ever ? deep(depth + 1) + here[0] : here[0];
}

static long huge_stack(void) {
    return deep(0);
}

const escape_case escape_greed[] = {
    {"memory_bomb", memory_bomb}, {"tmpfs_bomb", tmpfs_bomb}, {"memfd_bomb", memfd_bomb}, {"inode_bomb", inode_bomb},
    {"descriptor_bomb", descriptor_bomb}, {"eventfd_bomb", eventfd_bomb}, {"pipe_bomb", pipe_bomb}, {"fork_bomb", fork_bomb},
    {"zombie_storm", zombie_storm}, {"thread_bomb", thread_bomb}, {"signal_bomb", signal_bomb}, {"timer_bomb", timer_bomb},
    {"log_flood", log_flood}, {"output_flood", output_flood}, {"processor_hog", processor_hog}, {"sleep_for_ever", sleep_for_ever},
    {"ignore_term", ignore_term}, {"huge_stack", huge_stack}, {NULL, NULL},
};
