#include "loaded.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zygote/config.h"
#include "zygote/zygote.h"

static void stay(void) {
    for (;;) {
        (void)pause();
    }
}

long fork_child(void) {
    pid_t child = fork();
    if (child == 0) {
        stay();
    }
    return child < 0 ? -1 : LOADED_WENT;
}

/* Its parent is gone before anybody looks: pid 1 of the namespace has it. */
long fork_detached(void) {
    pid_t child = fork();
    if (child == 0) {
        (void)setsid();
        if (fork() == 0) {
            stay();
        }
        _exit(0);
    }
    return child < 0 || waitpid(child, NULL, 0) != child ? -1 : LOADED_WENT;
}

static long try_open(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    (void)close(fd);
    return LOADED_WENT;
}

long read_shadow(void) {
    return try_open("/etc/shadow", O_RDONLY);
}

/* The spawner's own memory, by whatever number: in our namespace there is none that is not ours. */
long read_spawner(void) {
    char path[32] = "/proc/0/mem";
    for (int i = 1; i < 8; i++) {
        path[6] = (char)('0' + i);
        if (i != (int)getpid() && try_open(path, O_RDWR) == LOADED_WENT) {
            return LOADED_WENT;
        }
    }
    return -1;
}

long open_socket(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in outside = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(0x01010101)};
    return fd < 0 || connect(fd, (const struct sockaddr *)&outside, sizeof outside) != 0 ? -1 : LOADED_WENT;
}

long listen_nowhere(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? -1 : LOADED_WENT;
}

long exit_quietly(void) {
    _exit(0);
}

long raise_kill(void) {
    return kill(getpid(), SIGKILL);
}

long loop_for_ever(void) {
    volatile int for_ever = 1;
    while (for_ever) {
    }
    return LOADED_WENT;
}

static void *beside(void *nothing) {
    stay();
    return nothing;
}

long second_thread(void) {
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, beside, NULL);
    errno = failed;
    return failed != 0 ? -1 : LOADED_WENT;
}

/* The zygote's filter lets it mount, as its workers must: what stands in the root is locked, though. */
long remount_usr(void) {
    return mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL) != 0 ? -1 : LOADED_WENT;
}

/* All of the host's root that a bind can reach is the image's own. */
long bind_root(void) {
    struct stat facts;
    (void)mkdir("/tmp/root", 0700);
    if (mount("/", "/tmp/root", NULL, MS_BIND | MS_REC, NULL) != 0) {
        return -1;
    }
    int outside = stat("/tmp/root/etc/shadow", &facts) == 0 || stat("/tmp/root/root", &facts) == 0;
    (void)umount2("/tmp/root", MNT_DETACH);
    return outside ? LOADED_WENT : 0;
}

long trace_holder(void) {
    return ptrace(PTRACE_ATTACH, 1, NULL, NULL) != 0 ? -1 : LOADED_WENT;
}

/* Says that it is sealed while it is not, with a function of its own invention. */
long claim_ready(void) {
    static const char name[] = "invented";
    struct {
        wy_zygote_header header;
        unsigned count, bytes;
        char names[sizeof name];
    } message = {.header = {.type = ZY_READY}, .count = 1, .bytes = sizeof name};
    size_t length = sizeof message.header + 8 + sizeof name;
    message.header.length = (unsigned)length;
    memcpy(message.names, name, sizeof name);
    return send(WY_ZYGOTE_FD_CONTROL, &message, length, MSG_NOSIGNAL) < 0 ? -1 : LOADED_WENT;
}

long speak_nonsense(void) {
    static const char nonsense[] = "let me out, please";
    return send(WY_ZYGOTE_FD_CONTROL, nonsense, sizeof nonsense, MSG_NOSIGNAL) < 0 ? -1 : LOADED_WENT;
}

/* Its private /tmp is as large as the profile says. */
long fill_tmp(void) {
    static const char block[65536];
    int fd = open("/tmp/full", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    long result = 0;
    for (int i = 0; fd >= 0 && result == 0; i++) {
        result = write(fd, block, sizeof block) <= 0 ? -1 : i > 1 << 20 ? LOADED_WENT : 0;
    }
    int cause = errno;
    (void)unlink("/tmp/full");
    errno = cause;
    return fd < 0 ? -1 : result;
}
