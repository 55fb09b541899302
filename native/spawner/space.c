/* The spawner's side of spaces: who waits for one, what was made ahead, and whether the disk has room for what is promised. */
#include "spawner/space.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawner/state.h"
#include "spawner/wire.h"

#define KEPT_FREE (UINT64_C(64) << 20) /* of the disk, for everybody else */
#define MAKER_SOCKET 3
#define MAKER_DIRECTORY 4

/* What these file systems hold lies in memory, and in nobody's limit. */
static bool lies_in_memory(int directory_fd) {
    struct statfs facts;
    return fstatfs(directory_fd, &facts) == 0 && (facts.f_type == TMPFS_MAGIC || facts.f_type == RAMFS_MAGIC);
}

static void say(wy_spaces *spaces, const char *why, int cause) {
    snprintf(spaces->why_not, sizeof spaces->why_not, "%.110s%s%.40s", why, cause != 0 ? ": " : "", cause != 0 ? strerror(cause) : "");
}

static bool others_may_write(int directory_fd) {
    struct stat facts;
    return fstat(directory_fd, &facts) != 0 || (facts.st_uid != 0 && facts.st_uid != geteuid()) || (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

void wy_spaces_open(wy_spaces *spaces, const char *directory, bool root) {
    memset(spaces, 0, sizeof *spaces);
    spaces->directory_fd = spaces->socket_fd = -1;
    bool fits = directory == NULL || snprintf(spaces->directory, sizeof spaces->directory, "%s", directory) < (int)sizeof spaces->directory;
    if (directory == NULL) {
        say(spaces, "no directory for it was given (limits.disk_directory)", 0);
    } else if (!root) {
        say(spaces, "only a runtime that root started mounts file systems", 0);
    } else if (wy_space_formatter() == NULL) {
        say(spaces, "there is no mkfs.ext4; install e2fsprogs", 0);
    } else if (access("/dev/loop-control", R_OK | W_OK) != 0) {
        say(spaces, "/dev/loop-control cannot be used (modprobe loop)", errno);
    } else if (!fits) {
        say(spaces, "the path of limits.disk_directory is too long", 0);
    } else {
        (void)mkdir(directory, 0700);
        spaces->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (spaces->directory_fd < 0) {
            say(spaces, "the directory of limits.disk_directory cannot be opened", errno);
        } else if (others_may_write(spaces->directory_fd)) {
            say(spaces, "others than root may write the directory of limits.disk_directory", 0);
        } else if (lies_in_memory(spaces->directory_fd)) {
            say(spaces, "the directory of limits.disk_directory lies in memory, not on a disk", 0);
        } else {
            spaces->usable = true;
        }
    }
}

static void let_go(wy_space *space) {
    if (space->bytes != 0) {
        close(space->mount_fd);
        close(space->file_fd);
        space->bytes = 0;
    }
}

void wy_spaces_close(wy_spaces *spaces) {
    for (size_t i = 0; i < WY_SPACE_SPARES; i++) {
        let_go(&spaces->spares[i]);
    }
    if (spaces->maker > 0) { /* in the middle of something, or not: the kernel takes away what it has */
        kill(spaces->maker, SIGKILL);
        while (waitpid(spaces->maker, NULL, 0) < 0 && errno == EINTR) {
        }
        spaces->maker = 0;
    }
    int *descriptors[] = {&spaces->socket_fd, &spaces->directory_fd};
    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++) {
        if (*descriptors[i] >= 0) {
            close(*descriptors[i]);
            *descriptors[i] = -1;
        }
    }
}

static _Noreturn void become_maker(int socket_fd, int directory_fd, pid_t spawner) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int high_socket = fcntl(socket_fd, F_DUPFD, 64), high_directory = fcntl(directory_fd, F_DUPFD, 64);
    if (getppid() != spawner || dup3(high_socket, MAKER_SOCKET, O_CLOEXEC) < 0 || dup3(high_directory, MAKER_DIRECTORY, O_CLOEXEC) < 0) {
        _exit(1);
    }
    (void)syscall(SYS_close_range, MAKER_DIRECTORY + 1, ~0u, 0);
    (void)prctl(PR_SET_NAME, "wayang-space", 0, 0, 0);
    (void)setpriority(PRIO_PROCESS, 0, 0); /* it need not go before the tasks */
    wy_space_maker_run(MAKER_SOCKET, MAKER_DIRECTORY);
}

static wy_status start_maker(wy_spawner *s, wy_error *error) {
    int sockets[2];
    if (s->spaces.maker > 0) {
        return WY_OK;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "disk", "socketpair: %s", strerror(errno));
    }
    pid_t spawner = getpid(), pid = fork();
    if (pid == 0) {
        become_maker(sockets[1], s->spaces.directory_fd, spawner);
    }
    close(sockets[1]);
    s->spaces.socket_fd = sockets[0];
    s->spaces.maker = pid > 0 ? pid : 0;
    s->spaces.making_ahead = false;
    if (pid < 0 || wy_watch(s, sockets[0], EPOLLIN, WY_SOURCE_SPACE, 0, 0) != WY_OK) {
        wy_status status = wy_fail(error, WY_SYSTEM, errno, "disk", "no process to make spaces: %s", strerror(errno));
        wy_space_maker_lost(s);
        return status;
    }
    return WY_OK;
}

/* What tasks may still write into the spaces that they have. */
static uint64_t promised(const wy_spawner *s) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s->policy.max_workers; i++) {
        const wy_space *space = &s->workers[i].space;
        struct stat facts;
        if (s->workers[i].state == WY_WORKER_FREE) {
            continue;
        }
        uint64_t used = space->bytes != 0 && fstat(space->file_fd, &facts) == 0 ? (uint64_t)facts.st_blocks * 512 : 0;
        uint64_t all = space->bytes != 0 ? space->bytes : s->workers[i].start.disk_bytes;
        sum += all > used ? all - used : 0;
    }
    return sum;
}

/* `more`: beside what those who have a place were promised, the one that asks now among them. */
static wy_status has_room(const wy_spawner *s, uint64_t more, wy_error *error) {
    struct statfs facts;
    if (fstatfs(s->spaces.directory_fd, &facts) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "disk", "%.120s: %s", s->spaces.directory, strerror(errno));
    }
    uint64_t room = (uint64_t)facts.f_bavail * (uint64_t)facts.f_bsize, sum = promised(s) + more;
    return sum + KEPT_FREE <= room
               ? WY_OK
               : wy_fail(error, WY_FULL, ENOSPC, "disk", "%.60s has %llu MiB free; with this task %llu MiB were promised", s->spaces.directory,
                         (unsigned long long)(room >> 20), (unsigned long long)(sum >> 20));
}

static wy_status request(wy_spawner *s, wy_space_verb verb, uint64_t worker_id, uint64_t bytes, const wy_space *space, wy_error *error) {
    const wy_space_request message = {.verb = (uint32_t)verb, .worker_id = worker_id, .bytes = bytes};
    const int fds[] = {space != NULL ? space->mount_fd : -1, space != NULL ? space->file_fd : -1};
    wy_status status = start_maker(s, error);
    if (status == WY_OK && wy_wire_send(s->spaces.socket_fd, &message, sizeof message, fds, space != NULL ? 2 : 0) != WY_OK) {
        status = wy_fail(error, WY_FULL, errno, "disk", "too many spaces are asked for at once");
    }
    return status;
}

static void make_ahead(wy_spawner *s, uint64_t bytes) {
    wy_spaces *spaces = &s->spaces;
    wy_error ignored;
    bool again = spaces->last_bytes == bytes;
    spaces->last_bytes = bytes;
    for (size_t i = 0; i < WY_SPACE_SPARES; i++) {
        again = again && spaces->spares[i].bytes != bytes;
    }
    if (again && !spaces->making_ahead && has_room(s, bytes, &ignored) == WY_OK) {
        spaces->making_ahead = request(s, WY_SPACE_MAKE, 0, bytes, NULL, &ignored) == WY_OK;
    }
}

/* In the place of the one that was kept for the longest, if all are taken. */
static void keep_spare(wy_spaces *spaces, const wy_space *space) {
    wy_space *last = &spaces->spares[WY_SPACE_SPARES - 1];
    let_go(last);
    memmove(&spaces->spares[1], &spaces->spares[0], sizeof spaces->spares - sizeof spaces->spares[0]);
    spaces->spares[0] = *space;
}

/* It becomes the worker's: its root belongs to the image's user, as a fresh /tmp does. */
static void give(wy_spawner *s, wy_worker_slot *worker, const wy_space *space) {
    const wy_image_slot *image = &s->images[worker->image];
    uid_t uid = (uid_t)(s->policy.uid_first + wy_image_index(s, image));
    worker->space = *space;
    worker->space_awaited = false;
    int passed = fcntl(space->mount_fd, F_DUPFD_CLOEXEC, 3);
    if (passed < 0 || fchownat(space->mount_fd, "", uid, uid, AT_EMPTY_PATH) != 0 || fchmodat(space->mount_fd, ".", 01777, 0) != 0) {
        if (passed >= 0) {
            close(passed);
        }
        wy_worker_fail(worker, errno, "disk: its space cannot be handed over");
        wy_worker_finish(s, worker, 0, 0, 0);
        return;
    }
    worker->pass_fds[worker->pass_count++] = passed;
    if (!s->images[worker->image].wants_write) {
        wy_control_fork(s, &s->images[worker->image], worker);
    }
}

void wy_space_ask(wy_spawner *s, wy_worker_slot *worker) {
    uint64_t bytes = worker->start.disk_bytes;
    wy_error error = {0};
    worker->space_awaited = true;
    for (size_t i = 0; i < WY_SPACE_SPARES; i++) {
        wy_space *spare = &s->spaces.spares[i];
        if (spare->bytes == bytes) {
            wy_space taken = *spare;
            spare->bytes = 0;
            give(s, worker, &taken);
            make_ahead(s, bytes);
            return;
        }
    }
    for (size_t i = 0; i < WY_SPACE_SPARES && has_room(s, 0, &error) != WY_OK; i++) {
        let_go(&s->spaces.spares[i]);
    }
    wy_status status = has_room(s, 0, &error);
    if (status == WY_OK) {
        status = request(s, WY_SPACE_MAKE, worker->start.worker_id, bytes, NULL, &error);
    }
    if (status != WY_OK) {
        char text[sizeof worker->failure.text];
        snprintf(text, sizeof text, "disk: %.120s", error.message);
        wy_worker_fail(worker, error.sys_errno, text);
        wy_worker_finish(s, worker, 0, 0, 0);
        return;
    }
    make_ahead(s, bytes);
}

void wy_space_release(wy_spawner *s, wy_worker_slot *worker) {
    wy_error ignored;
    if (worker->space.bytes == 0) {
        return;
    }
    (void)request(s, WY_SPACE_CLEAR, 0, worker->space.bytes, &worker->space, &ignored);
    let_go(&worker->space);
}

/* A worker that waits for one; NULL: it ended meanwhile. */
static wy_worker_slot *find_asker(wy_spawner *s, uint64_t worker_id) {
    wy_worker_slot *worker = worker_id != 0 ? wy_worker_find(s, worker_id) : NULL;
    return worker != NULL && worker->state == WY_WORKER_QUEUED && worker->space_awaited ? worker : NULL;
}

static void take_answer(wy_spawner *s, wy_space_answer *answer, wy_datagram *datagram) {
    wy_worker_slot *worker = find_asker(s, answer->worker_id);
    s->spaces.making_ahead = s->spaces.making_ahead && answer->worker_id != 0;
    if (datagram->fd_count == 2) {
        wy_space space = {.bytes = answer->bytes, .mount_fd = datagram->fds[0], .file_fd = datagram->fds[1]};
        datagram->fds[0] = datagram->fds[1] = -1;
        if (worker != NULL) {
            give(s, worker, &space);
        } else {
            keep_spare(&s->spaces, &space);
        }
        return;
    }
    answer->error.message[sizeof answer->error.message - 1] = 0;
    wy_log_line(s, "disk: no space of %llu bytes: %s", (unsigned long long)answer->bytes, answer->error.message);
    if (worker != NULL) {
        char text[sizeof worker->failure.text];
        snprintf(text, sizeof text, "disk: %.120s", answer->error.message);
        wy_worker_fail(worker, answer->error.sys_errno, text);
        wy_worker_finish(s, worker, 0, 0, 0);
    }
}

void wy_space_readable(wy_spawner *s) {
    for (int turn = 0; turn < WY_TURN_MESSAGES && s->spaces.socket_fd >= 0; turn++) {
        wy_space_answer answer;
        wy_datagram datagram;
        wy_status status = wy_wire_receive(s->spaces.socket_fd, &answer, sizeof answer, &datagram);
        if (status == WY_EMPTY) {
            return;
        }
        if (status != WY_OK) {
            wy_space_maker_lost(s);
            return;
        }
        if (datagram.length == sizeof answer && !datagram.truncated) {
            take_answer(s, &answer, &datagram);
        }
        wy_datagram_close(&datagram);
    }
}

void wy_space_maker_lost(wy_spawner *s) {
    wy_unwatch_close(s, &s->spaces.socket_fd);
    if (s->spaces.maker > 0) {
        kill(s->spaces.maker, SIGKILL);
        while (waitpid(s->spaces.maker, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    s->spaces.maker = 0;
    s->spaces.making_ahead = false;
    for (uint32_t i = 0; i < s->policy.max_workers; i++) {
        wy_worker_slot *worker = &s->workers[i];
        if (worker->state == WY_WORKER_QUEUED && worker->space_awaited) {
            wy_worker_fail(worker, 0, "disk: the process that makes spaces was lost");
            wy_worker_finish(s, worker, 0, 0, 0);
        }
    }
}
