/* Other tasks: signals, what they leave behind, shared memory of all kinds, pids. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "escape.h"

#define SECRET_KEY 0x57594553
#define MOST_PID 32768

static long kill_all(void) {
    return kill(-1, SIGKILL) != 0 ? -1 : ESCAPE_CONTAINED; /* what it reached is told by the load beside */
}

static long kill_init(void) {
    if (getpid() == 1) {
        errno = ESRCH;
        return -1;
    }
    return kill(1, SIGKILL) != 0 || kill(1, 0) != 0 ? -1 : ESCAPE_CONTAINED; /* sent, and it is still there */
}

/* Numbers of the host's processes: in here they name nothing, or one of ours. */
static long kill_by_number(void) {
    long reached = -1;
    int first = 0;
    for (pid_t pid = 2; pid < MOST_PID; pid++) {
        if (pid != getpid() && pid != getppid() && kill(pid, 0) == 0) {
            reached = ESCAPE_WENT;
        } else if (first == 0) {
            first = errno;
        }
    }
    errno = first == 0 ? ESRCH : first;
    return reached;
}

static long neighbours(void) {
    DIR *all = opendir("/proc");
    int seen = 0;
    if (all == NULL) {
        return -1;
    }
    for (struct dirent *one = readdir(all); one != NULL; one = readdir(all)) {
        seen += one->d_name[0] >= '1' && one->d_name[0] <= '9';
    }
    (void)closedir(all);
    errno = ESRCH;
    return seen > 3 ? ESCAPE_WENT : -1; /* init, a shell, us */
}

/* A number that was ours and was reaped: can a signal to it reach somebody else? */
static long reused_pid(void) {
    for (int i = 0; i < 2000; i++) {
        pid_t child = fork();
        if (child == 0) {
            _exit(0);
        }
        if (child < 0) {
            return -1;
        }
        (void)waitpid(child, NULL, 0);
        if (kill(child, SIGKILL) == 0) {
            return ESCAPE_WENT;
        }
    }
    errno = ESRCH;
    return -1;
}

/* "leave" is run by one tenant, "find" by the next one on the same image. */
static long leave_file(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    return fd < 0 || close(fd) != 0 ? -1 : ESCAPE_CONTAINED;
}

static long leave_tmp(void) {
    return leave_file("/tmp/escape-left");
}

static long find_tmp(void) {
    return escape_open("/tmp/escape-left", O_RDONLY);
}

static long leave_shm(void) {
    return leave_file("/dev/shm/escape-left");
}

static long find_shm(void) {
    return escape_open("/dev/shm/escape-left", O_RDONLY);
}

static long leave_segment(void) {
    return shmget(SECRET_KEY, 4096, IPC_CREAT | 0666) < 0 ? -1 : ESCAPE_CONTAINED;
}

static long find_segment(void) {
    return shmget(SECRET_KEY, 0, 0) < 0 ? -1 : ESCAPE_WENT;
}

static long semaphore(void) {
    return semget(SECRET_KEY, 1, IPC_CREAT | 0666) < 0 ? -1 : ESCAPE_WENT;
}

static long message_queue(void) {
    return msgget(SECRET_KEY, IPC_CREAT | 0666) < 0 ? -1 : ESCAPE_WENT;
}

static long posix_queue(void) {
    return mq_open("/escape", O_RDWR | O_CREAT, 0666, NULL) < 0 ? -1 : ESCAPE_WENT;
}

/* A stray child that outlives its task, in a session of its own. */
static long double_fork(void) {
    pid_t child = fork();
    if (child < 0) {
        return -1;
    }
    if (child == 0) {
        (void)setsid();
        if (fork() == 0) {
            for (;;) {
                (void)pause();
            }
        }
        _exit(0);
    }
    (void)waitpid(child, NULL, 0);
    return ESCAPE_CONTAINED; /* the test looks whether it is gone */
}

const escape_case escape_tasks[] = {
    {"kill_all", kill_all}, {"kill_init", kill_init}, {"kill_by_number", kill_by_number}, {"neighbours", neighbours},
    {"reused_pid", reused_pid}, {"leave_tmp", leave_tmp}, {"find_tmp", find_tmp}, {"leave_shm", leave_shm}, {"find_shm", find_shm},
    {"leave_segment", leave_segment}, {"find_segment", find_segment}, {"semaphore", semaphore}, {"message_queue", message_queue},
    {"posix_queue", posix_queue}, {"double_fork", double_fork}, {NULL, NULL},
};
