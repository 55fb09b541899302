#include "driver.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <grp.h>

#include "spawner/wire.h"

int driver_identity(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "--unprivileged") != 0) {
        return 0;
    }
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 ||
                           setresuid(65534, 65534, 65534) != 0)) {
        printf("skipped: cannot become an unprivileged user\n");
        return 77;
    }
    prctl(PR_SET_DUMPABLE, 1);
    if (access(WY_TEST_STAGE "/wayang-spawner", X_OK) != 0) {
        printf("skipped: an unprivileged user cannot reach %s\n", WY_TEST_STAGE);
        return 77;
    }
    return 0;
}

bool driver_start_only(driver *d, const char *instance) {
    int pair[2];
    const char *space_dir = d->space_dir, *root = d->root;
    memset(d, 0, sizeof *d);
    d->space_dir = space_dir;
    d->root = root;
    d->log_fd = memfd_create("spawner-log", MFD_CLOEXEC);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return false;
    }
    d->pid = fork();
    if (d->pid == 0) {
        dup2(d->log_fd, 2);
        int fd = dup(pair[1]);
        char number[12];
        snprintf(number, sizeof number, "%d", fd);
        const char *arguments[16] = {"wayang-spawner", "--socket-fd", number, "--policy", WY_TEST_STAGE "/policy",
                                     "--native", WY_TEST_STAGE, "--instance", instance};
        size_t count = 9;
        for (size_t i = 0; i < 2; i++) {
            const char *value = i == 0 ? space_dir : root;
            if (value != NULL) {
                arguments[count++] = i == 0 ? "--space" : "--root";
                arguments[count++] = value;
            }
        }
        execv(WY_TEST_STAGE "/wayang-spawner", (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    close(pair[1]);
    d->socket_fd = pair[0];
    return d->pid > 0;
}

bool driver_start(driver *d, const char *instance) {
    if (!driver_start_only(d, instance)) {
        return false;
    }
    wy_msg_hello hello = {.abi = WY_MSG_VERSION};
    driver_send(d, WY_MSG_HELLO, &hello, sizeof hello, NULL, 0);
    if (!driver_expect(d, WY_MSG_WELCOME)) {
        char text[2048];
        ssize_t length = pread(d->log_fd, text, sizeof text - 1, 0);
        printf("the spawner did not answer: %.*s\n", (int)(length > 0 ? length : 0), text);
        return false;
    }
    return true;
}

static int wait_for(driver *d) {
    int state = 0;
    waitpid(d->pid, &state, 0);
    if (d->log_fd >= 0) {
        close(d->log_fd);
    }
    return WIFEXITED(state) ? WEXITSTATUS(state) : -WTERMSIG(state);
}

int driver_end(driver *d) {
    close(d->socket_fd);
    return wait_for(d);
}

int driver_kill(driver *d) {
    kill(d->pid, SIGKILL);
    int result = wait_for(d);
    close(d->socket_fd);
    return result;
}

bool driver_raw(driver *d, const void *bytes, size_t length, const int *fds, int fd_count) {
    for (;;) {
        wy_status status = wy_wire_send(d->socket_fd, bytes, length, fds, fd_count);
        if (status != WY_FULL) {
            return status == WY_OK;
        }
        struct pollfd room = {d->socket_fd, POLLOUT, 0};
        if (poll(&room, 1, 20000) <= 0) {
            return false;
        }
    }
}

uint64_t driver_send(driver *d, wy_msg_type type, const void *body, size_t bytes, const int *fds, int fd_count) {
    uint8_t message[1024];
    wy_msg_header header = {.magic = WY_MSG_MAGIC,
                            .version = WY_MSG_VERSION,
                            .type = (uint16_t)type,
                            .length = (uint32_t)(sizeof header + bytes),
                            .fds = (uint32_t)fd_count,
                            .request_id = ++d->next_request};
    memcpy(message, &header, sizeof header);
    memcpy(message + sizeof header, body, bytes);
    return driver_raw(d, message, sizeof header + bytes, fds, fd_count) ? header.request_id : 0;
}

bool driver_receive(driver *d) {
    uint8_t message[WY_MSG_MAX_BYTES];
    wy_msg_header header;
    wy_datagram datagram;
    struct pollfd source = {d->socket_fd, POLLIN, 0};
    if (poll(&source, 1, 20000) <= 0 || wy_wire_receive(d->socket_fd, message, sizeof message, &datagram) != WY_OK) {
        return false;
    }
    wy_datagram_close(&datagram);
    memcpy(&header, message, sizeof header);
    if (datagram.length < sizeof header || header.magic != WY_MSG_MAGIC || header.length != datagram.length) {
        return false;
    }
    d->type = header.type;
    d->request_id = header.request_id;
    d->length = datagram.length - sizeof header;
    memcpy(d->body.bytes, message + sizeof header, d->length);
    return true;
}

bool driver_expect(driver *d, wy_msg_type type) {
    while (driver_receive(d)) {
        if (d->type == type) {
            return true;
        }
        if (d->type == WY_MSG_REFUSED || d->type == WY_MSG_IMAGE_GONE) {
            printf("  refused or gone: %s\n", d->body.failure.text);
        } else if (d->type == WY_MSG_WORKER_EXITED) {
            printf("  exited: kind %u value %d %s\n", d->body.exited.kind, d->body.exited.value, d->body.exited.text);
        }
    }
    return false;
}

static size_t read_log(driver *d, char *text, size_t capacity) {
    ssize_t length = pread(d->log_fd, text, capacity - 1, 0);
    text[length > 0 ? length : 0] = 0;
    return length > 0 ? (size_t)length : 0;
}

bool driver_ends(driver *d, uint64_t worker, wy_exit_kind kind, int value) {
    if (!driver_expect(d, WY_MSG_WORKER_EXITED) || d->body.exited.worker_id != worker) {
        return false;
    }
    if (d->body.exited.kind != (uint32_t)kind || (value >= 0 && d->body.exited.value != value)) {
        printf("  worker %llu: kind %u value %d \"%s\", expected kind %d value %d\n", (unsigned long long)worker,
               d->body.exited.kind, d->body.exited.value, d->body.exited.text, kind, value);
        return false;
    }
    return true;
}

size_t driver_log_lines(driver *d) {
    static char text[1 << 20];
    size_t length = read_log(d, text, sizeof text), lines = 0;
    for (size_t i = 0; i < length; i++) {
        lines += text[i] == '\n';
    }
    return lines;
}

bool driver_log_has(driver *d, const char *wanted) {
    static char text[1 << 20];
    read_log(d, text, sizeof text);
    return strstr(text, wanted) != NULL;
}

int sealed_file(const void *bytes, size_t length) {
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (write(fd, bytes, length) != (ssize_t)length ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int command_arguments(const char *const *argv) {
    uint8_t bytes[4096];
    uint32_t head[4] = {WY_ARGUMENTS_MAGIC, 0, 0, 0};
    size_t length = sizeof head;
    bytes[length++] = 0; /* cwd */
    for (; argv[head[1]] != NULL; head[1]++) {
        size_t size = strlen(argv[head[1]]) + 1;
        memcpy(bytes + length, argv[head[1]], size);
        length += size;
    }
    memcpy(bytes, head, sizeof head);
    return sealed_file(bytes, length);
}

void fill_name(char *field, const char *text) {
    memset(field, 0, WY_NAME_BYTES);
    memcpy(field, text, strlen(text));
}

static bool open_image(driver *d, uint64_t id, const char *profile, wy_image_kind kind, uint32_t flags, int source_fd) {
    wy_msg_image_open open_message = {.image_id = id, .kind = kind, .flags = flags};
    fill_name(open_message.profile, profile);
    fill_name(open_message.name, "test");
    driver_send(d, WY_MSG_IMAGE_OPEN, &open_message, sizeof open_message, &source_fd, source_fd >= 0 ? 1 : 0);
    while (driver_receive(d) && d->type != WY_MSG_IMAGE_READY && d->type != WY_MSG_REFUSED) {
    }
    return d->type == WY_MSG_IMAGE_READY && d->body.image_ready.image_id == id;
}

bool driver_command_image(driver *d, uint64_t id, const char *profile) {
    return open_image(d, id, profile, WY_IMAGE_COMMAND, 0, -1);
}

static bool plugin_image(driver *d, uint64_t id, const char *profile, uint32_t flags, const char *path) {
    static uint8_t bytes[1 << 20];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = read(file, bytes, sizeof bytes);
    close(file);
    int source = length > 0 ? sealed_file(bytes, (size_t)length) : -1;
    bool good = open_image(d, id, profile, WY_IMAGE_C_PLUGIN, flags, source);
    close(source);
    return good;
}

bool driver_plugin_image(driver *d, uint64_t id, const char *profile, const char *path) {
    return plugin_image(d, id, profile, 0, path);
}

bool driver_migratable_image(driver *d, uint64_t id, const char *profile, const char *path) {
    return plugin_image(d, id, profile, WY_IMAGE_MIGRATABLE, path);
}

void driver_command(driver *d, uint64_t worker, uint64_t image, const wy_msg_worker_start *limits, int *out,
                    const char *const *argv) {
    wy_msg_worker_start start = limits != NULL ? *limits : (wy_msg_worker_start){0};
    int pipe_fds[2], null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    start.worker_id = worker;
    start.image_id = image;
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        return;
    }
    int fds[4] = {command_arguments(argv), null_fd, pipe_fds[1], null_fd};
    driver_send(d, WY_MSG_COMMAND_START, &start, sizeof start, fds, 4);
    close(fds[0]);
    close(null_fd);
    close(pipe_fds[1]);
    if (out != NULL) {
        *out = pipe_fds[0];
    } else {
        close(pipe_fds[0]);
    }
}

void driver_signal(driver *d, uint64_t worker, int signal) {
    wy_msg_worker_signal message = {.worker_id = worker, .signal = signal};
    driver_send(d, WY_MSG_WORKER_SIGNAL, &message, sizeof message, NULL, 0);
}

size_t read_all(int fd, char *text, size_t capacity) {
    size_t have = 0;
    ssize_t got;
    while (have < capacity - 1 && (got = read(fd, text + have, capacity - 1 - have)) > 0) {
        have += (size_t)got;
    }
    text[have] = 0;
    close(fd);
    return have;
}
