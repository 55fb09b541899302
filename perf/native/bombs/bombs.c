/* bombs NAME: takes all it can get of one thing and, where it is refused, begins again: until somebody ends it. The escape
 * suite's attempts stop at the first refusal, as they ask whether there is one; these ask what it costs the others.
 * Exit code 2: no such bomb. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1u << 20)

static char block[MIB];
static volatile int for_ever = 1;

/* Every process forks, and what was refused is tried again. */
static void fork_bomb(void) {
    while (for_ever) {
        (void)fork();
    }
}

/* Children that end at once, as fast as they can be made. */
static void child_storm(void) {
    (void)signal(SIGCHLD, SIG_IGN);
    while (for_ever) {
        if (fork() == 0) {
            _exit(0);
        }
    }
}

static void *end_at_once(void *unused) {
    return unused;
}

static void thread_storm(void) {
    pthread_t thread;
    while (for_ever) {
        if (pthread_create(&thread, NULL, end_at_once, NULL) == 0) {
            (void)pthread_detach(thread);
        }
    }
}

static void memory_bomb(void) {
    while (for_ever) {
        void *more = mmap(NULL, 16u * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more != MAP_FAILED) {
            memset(more, 1, 16u * MIB);
        }
    }
}

/* Memory that comes and goes without ever reaching the limit. */
static void memory_churn(void) {
    while (for_ever) {
        void *some = mmap(NULL, 128u * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (some != MAP_FAILED) {
            memset(some, 1, 128u * MIB);
            (void)munmap(some, 128u * MIB);
        }
    }
}

static void tmpfs_bomb(void) {
    while (for_ever) {
        int fd = open("/tmp/full", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        while (fd >= 0 && write(fd, block, sizeof block) > 0) {
        }
        (void)close(fd);
    }
}

static void inode_bomb(void) {
    char path[64];
    while (for_ever) {
        unsigned made = 0;
        for (;; made++) {
            (void)snprintf(path, sizeof path, "/tmp/n%u", made);
            int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            if (fd < 0) {
                break;
            }
            (void)close(fd);
        }
        while (made > 0) {
            (void)snprintf(path, sizeof path, "/tmp/n%u", --made);
            (void)unlink(path);
        }
    }
}

static void descriptor_bomb(void) {
    while (for_ever) {
        int last = 2, fd;
        while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
            last = fd;
        }
        while (last > 2) {
            (void)close(last--);
        }
    }
}

static void flood(int fd) {
    memset(block, 'x', sizeof block);
    block[sizeof block - 1] = '\n';
    while (for_ever) {
        (void)!write(fd, block, sizeof block);
    }
}

static void log_flood(void) {
    flood(STDERR_FILENO);
}

static void output_flood(void) {
    flood(STDOUT_FILENO);
}

/* Single bytes: a read for each, if the reader keeps up. */
static void drip_flood(void) {
    while (for_ever) {
        (void)!write(STDOUT_FILENO, "x", 1);
    }
}

static void processor_hog(void) {
    for (int i = 0; i < 31; i++) {
        if (fork() == 0) {
            break;
        }
    }
    while (for_ever) {
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } all[] = {
        {"fork_bomb", fork_bomb},       {"child_storm", child_storm},   {"thread_storm", thread_storm},
        {"memory_bomb", memory_bomb},   {"memory_churn", memory_churn}, {"tmpfs_bomb", tmpfs_bomb},
        {"inode_bomb", inode_bomb},     {"descriptor_bomb", descriptor_bomb}, {"log_flood", log_flood},
        {"output_flood", output_flood}, {"drip_flood", drip_flood},     {"processor_hog", processor_hog},
    };
    for (size_t i = 0; argc > 1 && i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(argv[1], all[i].name) == 0) {
            all[i].run();
        }
    }
    return 2;
}
