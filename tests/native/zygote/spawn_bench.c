/* ZY_FORK to BOOT_READY of a call worker, per profile: medians of the runs given (default 200). */
#include "harness.h"

#include <signal.h>
#include <string.h>
#include <time.h>

static double now_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void measure(const test_setup *setup, const char *profile, int runs) {
    static double times[10000];
    wy_zygote zygote;
    double start = now_us();
    test_launch(setup, profile, WY_IMAGE_C_PLUGIN, "plain", &zygote);
    double launched = now_us();
    CHECK(test_load(&zygote, NULL) == ZY_READY, "not ready");
    printf("%s: launch %.1f ms, load %.1f ms\n", profile, (launched - start) / 1e3, (now_us() - launched) / 1e3);
    for (int i = 0; i < runs; i++) {
        test_worker worker;
        double begun = now_us();
        test_start_call(&zygote, NULL, 0, &worker);
        times[i] = now_us() - begun;
        (void)kill(worker.pid, SIGKILL);
        (void)test_reap(worker.pidfd, worker.pid);
        test_close(&worker);
    }
    qsort(times, (size_t)runs, sizeof times[0], ascending);
    printf("%s: fork to ready, %d runs: p50 %.0f us, p99 %.0f us\n", profile, runs, times[runs / 2],
           times[runs * 99 / 100]);
    test_end(&zygote);
}

int main(int argc, char **argv) {
    test_setup setup;
    int runs = argc > 1 ? atoi(argv[1]) : 200;
    CHECK(runs >= 1 && runs <= 10000, "1 to 10000 runs");
    test_begin(&setup, 1, argv);
    measure(&setup, "compute", runs);
    measure(&setup, "standard", runs);
    return 0;
}
