/* The daemon's side of the spawner, for tests: starts the real wayang-spawner and speaks its protocol. */
#ifndef WAYANG_TESTS_SPAWNER_DRIVER_H
#define WAYANG_TESTS_SPAWNER_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "spawner/protocol.h"

typedef struct driver {
    pid_t pid;
    int socket_fd, log_fd; /* log_fd: memfd that is the spawner's stderr */
    const char *space_dir; /* NULL: none; survives driver_start */
    const char *root;      /* the same: NAME=DIR */
    uint64_t next_request;
    uint16_t type; /* of the message received last */
    uint64_t request_id;
    size_t length; /* of its body and tail */
    union {
        uint8_t bytes[WY_MSG_MAX_BYTES];
        wy_msg_welcome welcome;
        wy_msg_image_ready image_ready;
        wy_msg_worker_started started;
        wy_msg_worker_exited exited;
        wy_msg_failure failure;
    } body;
} driver;

/* Parses --unprivileged: leaves root for uid 65534; returns 77 (skip) with the reason printed when that cannot be. */
int driver_identity(int argc, char **argv);

bool driver_start(driver *d, const char *instance);
bool driver_start_only(driver *d, const char *instance); /* without HELLO */
/* Hangs up, waits for the spawner; its exit code, or -signal. */
int driver_end(driver *d);
int driver_kill(driver *d);

bool driver_raw(driver *d, const void *bytes, size_t length, const int *fds, int fd_count);
uint64_t driver_send(driver *d, wy_msg_type type, const void *body, size_t bytes, const int *fds, int fd_count);

/* Receives the next message; false at a hang-up or after 20 s. */
bool driver_receive(driver *d);
/* Skips until a message of this type comes. */
bool driver_expect(driver *d, wy_msg_type type);
/* The next worker that ends is this one, and ended so; what came instead is printed. value < 0: any. */
bool driver_ends(driver *d, uint64_t worker, wy_exit_kind kind, int value);
size_t driver_log_lines(driver *d);
bool driver_log_has(driver *d, const char *text);

int sealed_file(const void *bytes, size_t length);
int command_arguments(const char *const *argv);
void fill_name(char *field, const char *text);

/* Opens an image and waits for READY; false when it is refused. */
bool driver_command_image(driver *d, uint64_t id, const char *profile);
bool driver_plugin_image(driver *d, uint64_t id, const char *profile, const char *path);

bool driver_migratable_image(driver *d, uint64_t id, const char *profile, const char *path);

/* Starts a command whose stdin and stderr are /dev/null; *out is the read end of its stdout. Does not wait. */
void driver_command(driver *d, uint64_t worker, uint64_t image, const wy_msg_worker_start *limits, int *out,
                    const char *const *argv);
void driver_signal(driver *d, uint64_t worker, int signal);

/* Reads to the end of file into text. */
size_t read_all(int fd, char *text, size_t capacity);

#endif
