/* Not a test: how long WORKER_START to WORKER_STARTED and WORKER_SIGNAL to WORKER_EXITED take, through the real spawner. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "channel/memory.h"
#include "driver.h"

#define ROUNDS 300

static driver d;

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, double *values) {
    qsort(values, ROUNDS, sizeof *values, by_value);
    printf("%s: p50 %.0f us, p99 %.0f us\n", what, values[ROUNDS / 2], values[ROUNDS * 99 / 100]);
}

int main(int argc, char **argv) {
    static double starts[ROUNDS], ends[ROUNDS];
    wy_geometry geometry = {.request_slots = 64,
                            .request_arena_bytes = 65536,
                            .completion_slots = 64,
                            .completion_arena_bytes = 65536,
                            .max_payload = 1 << 20,
                            .epoch = 1};
    wy_error error = {0};
    int skip = driver_identity(argc, argv);
    if (skip != 0 || !driver_start(&d, "start-bench") || !driver_plugin_image(&d, 1, "compute", WY_TEST_PLUGIN)) {
        return skip != 0 ? skip : 1;
    }
    for (int i = 0; i < ROUNDS; i++) {
        wy_channel_memory memory;
        wy_msg_worker_start start = {.worker_id = (uint64_t)i + 1, .image_id = 1};
        if (wy_channel_create(&geometry, &memory, &error) != WY_OK) {
            return 1;
        }
        int fds[3] = {memory.d_fd, memory.w_fd, memory.doorbell_fd};
        double begin = now_us();
        driver_send(&d, WY_MSG_WORKER_START, &start, sizeof start, fds, 3);
        if (!driver_expect(&d, WY_MSG_WORKER_STARTED)) {
            return 1;
        }
        double started = now_us();
        driver_signal(&d, start.worker_id, SIGKILL);
        if (!driver_expect(&d, WY_MSG_WORKER_EXITED)) {
            return 1;
        }
        starts[i] = started - begin;
        ends[i] = now_us() - started;
        wy_channel_destroy(&memory);
    }
    report("start", starts);
    report("kill to end", ends);
    return driver_end(&d);
}
