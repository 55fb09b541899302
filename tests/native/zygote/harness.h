/* The spawner's side of zygote.h, as far as a test needs it. Every wait has a limit. */
#ifndef WAYANG_TESTS_HARNESS_H
#define WAYANG_TESTS_HARNESS_H

#include <stdio.h>
#include <stdlib.h>

#include "channel/layout.h"
#include "spawner/protocol.h"
#include "test_image.h"
#include "zygote/zygote.h"

#define TEST_WAIT_MS 10000
#define TEST_IMAGE_UID 1900000001u
#define TEST_SKIPPED 77

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                                            \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fprintf(stderr, "\n");                                                                                     \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

typedef struct test_setup {
    wy_policy policy;
    int zygote_binary;
    int python; /* wayang_python.so, or -1 */
    int as_root;
} test_setup;

typedef struct test_worker {
    int boot, pidfd, doorbell, listener;
    pid_t pid;
    wy_channel_header *d, *w;
} test_worker;

/* Loads the shipped policy, opens the zygote; with "--unprivileged" gives up root for uid 65534 (exits 77 when it
 * cannot). */
void test_begin(test_setup *setup, int argc, char **argv);

void test_launch(const test_setup *setup, const char *profile, uint32_t kind, const char *image, wy_zygote *out);
void test_launch_bytes(const test_setup *setup, const char *profile, uint32_t kind, const void *source, size_t bytes,
                       wy_zygote *out);
/* The same for an image whose workers can go on in another zygote of it. */
void test_launch_migratable(const test_setup *setup, const char *profile, uint32_t kind, const void *source, size_t bytes,
                            wy_zygote *out);
/* A Python image's source in `out`, which has room; `preload` ends with NULL, or is NULL. Returns its bytes. */
size_t test_python_source(uint8_t *out, const char *code, const char *const *preload);
/* Sends ZY_LOAD and waits; returns the type of the answer, the message in *answer when given. */
uint32_t test_load(const wy_zygote *zygote, wy_error *answer);
/* What stood behind the last answer: names of functions, or the detail of a failure. NUL-terminated. */
const char *test_answer_tail(void);
void test_end(wy_zygote *zygote);

void test_send_fork(const wy_zygote *zygote, const int *fds, uint32_t count, uint32_t pids);
/* Waits for ZY_FORKED; returns the pidfd. */
int test_receive_forked(const wy_zygote *zygote);

/* A call worker up to BOOT_READY, with its listener taken. */
void test_start_call(const wy_zygote *zygote, const test_call *calls, uint32_t count, test_worker *out);
void test_go(const test_worker *worker);
void test_wait_readable(int fd, const char *what);
/* Reaps: returns the wait status. */
int test_reap(int pidfd, pid_t pid);
void test_close(test_worker *worker);
pid_t test_pid_of(int pidfd);

/* 0 when the worker ended without a violation, else the number of the syscall that the listener reported. */
int test_next_notification(int listener);

#endif
