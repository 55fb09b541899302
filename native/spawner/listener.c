/* The supervisor's side of the seccomp filter. A call that the profile lists as dangerous stops the caller and appears
 * here; it is not answered: its number is kept and the worker is killed, which ends the whole pid namespace. One call is refused
 * instead: that which an agent had the worker make (checkpoint/written.c) and was lost before the kernel came to it. */
#include "sandbox/profile.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "channel/layout.h"
#include "checkpoint/written.h"
#include "spawner/descriptor.h"
#include "spawner/state.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#else
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

wy_status wy_listener_take(wy_spawner *s, wy_worker_slot *worker, wy_error *error) {
    int fd = (int)syscall(SYS_pidfd_getfd, worker->pidfd, WY_WORKER_FD_SECCOMP_LISTENER, 0);
    if (fd < 0) {
        return wy_fail(error, WY_SYSTEM, errno, "pidfd_getfd", "the worker's seccomp listener cannot be taken");
    }
    if (!wy_descriptor_is(fd, "anon_inode:seccomp notify")) { /* whatever it is, nothing must be read from it */
        close(fd);
        return wy_fail(error, WY_CORRUPT, 0, "pidfd_getfd", "descriptor 4 of the worker is no seccomp listener");
    }
    worker->listener_fd = fd;
    if (wy_watch(s, fd, EPOLLIN, WY_SOURCE_LISTENER, worker->generation, wy_worker_index(s, worker)) != WY_OK) {
        return wy_fail(error, WY_SYSTEM, errno, "epoll", "the worker's seccomp listener cannot be watched");
    }
    return WY_OK;
}

static void on_alarm(int signal) {
    (void)signal; /* its only purpose: an interrupted system call */
}

/* NOTIF_RECV waits when there is nothing, and O_NONBLOCK does not change that. Between epoll's word and this call the thread
 * may be gone, or the image's own code may have kept a second descriptor and taken the notification: a repeating timer
 * makes sure that we come back. */
static int receive_bounded(int fd, struct seccomp_notif *notification) {
    struct sigaction action = {.sa_handler = on_alarm}, before;
    struct itimerval timer = {.it_interval.tv_usec = 20000, .it_value.tv_usec = 20000}, off = {0};
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &timer, NULL);
    memset(notification, 0, sizeof *notification); /* the kernel insists on zeros */
    int result = ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, notification);
    int failure = errno;
    setitimer(ITIMER_REAL, &off, NULL);
    sigaction(SIGALRM, &before, NULL);
    errno = failure;
    return result;
}

/* Whoever makes it: it is answered with EPERM, and nothing else comes of it. */
static bool refuse_agents_call(const wy_worker_slot *worker, const struct seccomp_notif *notification) {
    struct seccomp_notif_resp refusal = {.id = notification->id, .error = -EPERM};
    return worker->agent.counts && notification->data.nr == SYS_userfaultfd && notification->data.arch == NATIVE_ARCH &&
           notification->data.args[0] == WY_WRITTEN_FLAGS && ioctl(worker->listener_fd, SECCOMP_IOCTL_NOTIF_SEND, &refusal) == 0;
}

void wy_listener_readable(wy_spawner *s, wy_worker_slot *worker) {
    struct seccomp_notif notification;
    if (worker->violated || worker->listener_fd < 0) {
        return;
    }
    if (receive_bounded(worker->listener_fd, &notification) != 0) {
        if (errno == EINTR) { /* somebody else read it: only the image's own code could */
            worker->violated = true;
            worker->violation = -1;
            wy_worker_kill(worker);
        } else if (errno != ENOENT) { /* ENOENT: the caller was interrupted; the call comes again or not at all */
            wy_unwatch_close(s, &worker->listener_fd);
        }
        return;
    }
    if (ioctl(worker->listener_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &notification.id) != 0) {
        return; /* its thread is gone already, and the call was never made */
    }
    if (refuse_agents_call(worker, &notification)) {
        return;
    }
    worker->violated = true;
    worker->violation = notification.data.nr;
    worker->violation_foreign = notification.data.arch != NATIVE_ARCH;
    wy_worker_kill(worker);
    wy_unwatch_close(s, &worker->listener_fd);
}
