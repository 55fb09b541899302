/* The maker: takes requests from the spawner alone, each in a child of its own, so that a slow one holds up no other. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawner/space.h"
#include "spawner/wire.h"

#define MAX_JOBS 8u /* at once: more would only share the disk */

static void make(int socket_fd, int directory_fd, const wy_space_request *request) {
    wy_space_answer answer;
    wy_space space = {.mount_fd = -1, .file_fd = -1};
    memset(&answer, 0, sizeof answer);
    answer.worker_id = request->worker_id;
    answer.bytes = request->bytes;
    int made = wy_space_make(directory_fd, request->bytes, &space, &answer.error) == WY_OK;
    const int fds[] = {space.mount_fd, space.file_fd};
    while (wy_wire_send(socket_fd, &answer, sizeof answer, fds, made ? 2 : 0) == WY_FULL) {
        struct pollfd room = {.fd = socket_fd, .events = POLLOUT};
        (void)poll(&room, 1, -1);
    }
}

static void run(int socket_fd, int directory_fd, const wy_space_request *request, wy_datagram *datagram) {
    pid_t maker = getpid(), job = fork();
    if (job == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != maker) {
            _exit(1);
        }
        if (request->verb == WY_SPACE_CLEAR) {
            wy_space_clear(datagram->fds[0], datagram->fds[1]);
        } else {
            make(socket_fd, directory_fd, request);
        }
        _exit(0);
    }
    if (job < 0 && request->verb == WY_SPACE_MAKE) {
        wy_space_answer answer;
        memset(&answer, 0, sizeof answer);
        answer.worker_id = request->worker_id;
        answer.bytes = request->bytes;
        (void)wy_fail(&answer.error, WY_SYSTEM, errno, "disk", "no process to make it: %s", strerror(errno));
        (void)wy_wire_send(socket_fd, &answer, sizeof answer, NULL, 0);
    }
}

_Noreturn void wy_space_maker_run(int socket_fd, int directory_fd) {
    unsigned jobs = 0;
    for (;;) {
        wy_space_request request;
        wy_datagram datagram;
        struct pollfd source = {.fd = socket_fd, .events = POLLIN};
        while (jobs > 0 && waitpid(-1, NULL, jobs < MAX_JOBS ? WNOHANG : 0) > 0) {
            jobs--;
        }
        if (poll(&source, 1, jobs > 0 ? 1000 : -1) <= 0) {
            continue;
        }
        wy_status status = wy_wire_receive(socket_fd, &request, sizeof request, &datagram);
        if (status == WY_EMPTY) {
            continue;
        }
        if (status != WY_OK) {
            _exit(0); /* the spawner is gone */
        }
        int wanted = request.verb == WY_SPACE_CLEAR ? 2 : 0;
        if (datagram.length == sizeof request && !datagram.truncated && datagram.fd_count == wanted) {
            run(socket_fd, directory_fd, &request, &datagram);
            jobs++;
        }
        wy_datagram_close(&datagram);
    }
}
