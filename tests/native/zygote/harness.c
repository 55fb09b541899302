#include "harness.h"

#include "python/source.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_BYTES 8192

void test_begin(test_setup *setup, int argc, char **argv) {
    wy_error error;
    memset(setup, 0, sizeof *setup);
    setup->python = -1;
    setup->as_root = geteuid() == 0;
    setup->zygote_binary = open(WY_TEST_ZYGOTE, O_PATH | O_CLOEXEC);
    CHECK(setup->zygote_binary >= 0, "%s: %s", WY_TEST_ZYGOTE, strerror(errno));
    CHECK(wy_policy_load(WY_TEST_POLICY, &setup->policy, &error) == WY_OK, "%s", error.message);
    if (argc > 1 && strcmp(argv[1], "--unprivileged") == 0 && setup->as_root) {
        if (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) {
            fprintf(stderr, "skipped: cannot become uid 65534: %s\n", strerror(errno));
            exit(TEST_SKIPPED);
        }
        (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* as it would be, had that user started us */
        setup->as_root = 0;
    } else if (argc == 1 && !setup->as_root) {
        fprintf(stderr, "skipped: not root\n");
        exit(TEST_SKIPPED);
    }
}

static int memory_file(const void *content, size_t bytes, int seals) {
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0, "%s", strerror(errno));
    CHECK(write(fd, content, bytes) == (ssize_t)bytes, "%s", strerror(errno));
    CHECK(fcntl(fd, F_ADD_SEALS, seals) == 0, "%s", strerror(errno));
    return fd;
}

void test_launch(const test_setup *setup, const char *profile, uint32_t kind, const char *image, wy_zygote *out) {
    test_launch_bytes(setup, profile, kind, image, image == NULL ? 0 : strlen(image), out);
}

static void launch_bytes(const test_setup *setup, const char *profile, uint32_t kind, const void *source, size_t bytes, int migratable,
                         wy_zygote *out) {
    wy_error error;
    wy_launch launch = {.profile = wy_policy_find(&setup->policy, profile),
                        .image_kind = kind,
                        .name = "test",
                        .source_fd = -1,
                        .zygote_binary_fd = setup->zygote_binary,
                        .python_fd = setup->python,
                        .lent_root_fd = -1,
                        .uid = setup->as_root ? TEST_IMAGE_UID : geteuid(),
                        .gid = setup->as_root ? TEST_IMAGE_UID : getegid(),
                        .as_root = setup->as_root,
                        .migratable = migratable,
                        .random = "of these tests."};
    CHECK(launch.profile != NULL, "%s", profile);
    if (source != NULL) {
        launch.source_fd = memory_file(source, bytes, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    }
    CHECK(wy_zygote_launch(&launch, out, &error) == WY_OK, "%s: %s", error.where, error.message);
    if (launch.source_fd >= 0) {
        (void)close(launch.source_fd);
    }
}

void test_launch_bytes(const test_setup *setup, const char *profile, uint32_t kind, const void *source, size_t bytes,
                       wy_zygote *out) {
    launch_bytes(setup, profile, kind, source, bytes, 0, out);
}

void test_launch_migratable(const test_setup *setup, const char *profile, uint32_t kind, const void *source, size_t bytes,
                            wy_zygote *out) {
    launch_bytes(setup, profile, kind, source, bytes, 1, out);
}

size_t test_python_source(uint8_t *out, const char *code, const char *const *preload) {
    wy_python_source header = {.magic = WY_PYTHON_MAGIC, .version = WY_PYTHON_VERSION};
    static const char name[] = "module.py";
    size_t at = sizeof header;
    for (; preload != NULL && preload[header.preload_count] != NULL; header.preload_count++) {
        size_t length = strlen(preload[header.preload_count]) + 1;
        memcpy(out + at, preload[header.preload_count], length);
        at += length;
    }
    header.preload_bytes = (uint32_t)(at - sizeof header);
    header.name_bytes = sizeof name;
    memcpy(out + at, name, sizeof name);
    at += sizeof name;
    header.code_bytes = (uint32_t)strlen(code);
    memcpy(out + at, code, header.code_bytes);
    memcpy(out, &header, sizeof header);
    return at + header.code_bytes;
}

void test_wait_readable(int fd, const char *what) {
    struct pollfd one = {fd, POLLIN, 0};
    int ready = poll(&one, 1, TEST_WAIT_MS);
    CHECK(ready == 1, "nothing within %d ms: %s", TEST_WAIT_MS, what);
}

static struct {
    wy_zygote_header header;
    char body[8192];
} loaded;

const char *test_answer_tail(void) {
    return loaded.body + (loaded.header.type == ZY_FAILED ? sizeof(wy_error) : 8);
}

uint32_t test_load(const wy_zygote *zygote, wy_error *answer) {
    wy_zygote_header load = {.type = ZY_LOAD, .length = sizeof load};
    memset(&loaded, 0, sizeof loaded);
    (void)send(zygote->control_fd, &load, sizeof load, MSG_NOSIGNAL);
    test_wait_readable(zygote->control_fd, "the zygote's answer to ZY_LOAD");
    ssize_t got = recv(zygote->control_fd, &loaded, sizeof loaded - 1, 0);
    CHECK(got > 0, "the zygote ended without an answer");
    CHECK(loaded.header.length == (uint32_t)got, "length %u of %zd", loaded.header.length, got);
    if (loaded.header.type == ZY_FAILED && answer != NULL) {
        memcpy(answer, loaded.body, sizeof *answer);
    }
    return loaded.header.type;
}

int test_reap(int pidfd, pid_t pid) {
    int status = 0;
    test_wait_readable(pidfd, "the end of a process");
    CHECK(waitpid(pid, &status, __WALL) == pid, "waitpid %d: %s", (int)pid, strerror(errno));
    return status;
}

void test_end(wy_zygote *zygote) {
    (void)kill(zygote->holder_pid, SIGKILL);
    /* A pid 1 is gone only after all of its namespace have been reaped. */
    (void)test_reap(zygote->zygote_pidfd, zygote->zygote_pid);
    (void)test_reap(zygote->holder_pidfd, zygote->holder_pid);
    (void)close(zygote->holder_pidfd);
    (void)close(zygote->zygote_pidfd);
    (void)close(zygote->control_fd);
}

void test_send_fork(const wy_zygote *zygote, const int *fds, uint32_t count, uint32_t pids) {
    struct {
        wy_zygote_header header;
        wy_zygote_fork fork;
    } message = {{ZY_FORK, sizeof message, 42}, {.tmpfs_bytes = 0, .pids = pids}};
    union {
        char bytes[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr aligned;
    } rights;
    memset(&rights, 0, sizeof rights);
    struct iovec part = {&message, sizeof message};
    struct msghdr envelope = {.msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = rights.bytes,
                              .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&envelope);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    CHECK(sendmsg(zygote->control_fd, &envelope, MSG_NOSIGNAL) == (ssize_t)sizeof message, "%s", strerror(errno));
}

int test_receive_forked(const wy_zygote *zygote) {
    struct {
        wy_zygote_header header;
        wy_error error;
    } message;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } rights;
    struct iovec part = {&message, sizeof message};
    struct msghdr envelope = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = rights.bytes, .msg_controllen = sizeof rights.bytes};
    test_wait_readable(zygote->control_fd, "ZY_FORKED");
    CHECK(recvmsg(zygote->control_fd, &envelope, MSG_CMSG_CLOEXEC) > 0, "the zygote is gone");
    CHECK(message.header.type == ZY_FORKED, "type %u: %s", message.header.type, message.error.message);
    CHECK(message.header.worker_id == 42, "worker id");
    int pidfd = -1;
    CHECK(CMSG_FIRSTHDR(&envelope) != NULL, "no pidfd came");
    memcpy(&pidfd, CMSG_DATA(CMSG_FIRSTHDR(&envelope)), sizeof pidfd);
    return pidfd;
}

pid_t test_pid_of(int pidfd) {
    char path[64], line[128];
    pid_t pid = -1;
    (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    FILE *info = fopen(path, "re");
    while (info != NULL && fgets(line, sizeof line, info) != NULL) {
        if (strncmp(line, "Pid:", 4) == 0) {
            pid = (pid_t)strtol(line + 4, NULL, 10);
        }
    }
    if (info != NULL) {
        (void)fclose(info);
    }
    return pid;
}

void test_start_call(const wy_zygote *zygote, const test_call *calls, uint32_t count, test_worker *out) {
    static char content[FILE_BYTES];
    int boot[2], fds[4];
    test_requests *requests = (test_requests *)(content + TEST_OFFSET);
    memset(content, 0, sizeof content);
    requests->count = count;
    if (count > 0) {
        memcpy(requests->calls, calls, count * sizeof *calls);
    }
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, boot) == 0, "%s", strerror(errno));
    fds[0] = boot[1];
    fds[1] = memory_file(content, sizeof content, 0);
    fds[2] = memory_file(content, sizeof content, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    fds[3] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    out->d = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
    out->w = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fds[2], 0);
    CHECK(out->d != MAP_FAILED && out->w != MAP_FAILED, "%s", strerror(errno));
    CHECK(fcntl(fds[1], F_ADD_SEALS, 0x10 /* FUTURE_WRITE */ | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0, "%s",
          strerror(errno));
    test_send_fork(zygote, fds, 4, 0);
    out->pidfd = test_receive_forked(zygote);
    out->pid = test_pid_of(out->pidfd);
    out->boot = boot[0];
    out->doorbell = fds[3];
    for (int i = 0; i < 3; i++) {
        (void)close(fds[i]);
    }
    wy_boot ready;
    test_wait_readable(out->boot, "BOOT_READY");
    CHECK(recv(out->boot, &ready, sizeof ready, 0) == (ssize_t)sizeof ready, "the worker ended before READY");
    CHECK(ready.type == WY_BOOT_READY, "%s: %s", ready.error.where, ready.error.message);
    out->listener = (int)syscall(SYS_pidfd_getfd, out->pidfd, WY_WORKER_FD_SECCOMP_LISTENER, 0);
    CHECK(out->listener >= 0, "pidfd_getfd: %s", strerror(errno));
}

void test_go(const test_worker *worker) {
    wy_boot go;
    memset(&go, 0, sizeof go);
    go.type = WY_BOOT_GO;
    CHECK(send(worker->boot, &go, sizeof go, MSG_NOSIGNAL) == (ssize_t)sizeof go, "%s", strerror(errno));
}

void test_close(test_worker *worker) {
    (void)close(worker->boot);
    (void)close(worker->pidfd);
    (void)close(worker->doorbell);
    (void)close(worker->listener);
    (void)munmap(worker->d, FILE_BYTES);
    (void)munmap(worker->w, FILE_BYTES);
}

int test_next_notification(int listener) {
    struct seccomp_notif notification;
    memset(&notification, 0, sizeof notification);
    test_wait_readable(listener, "a notification");
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification) == 0 ? notification.data.nr : 0;
}
