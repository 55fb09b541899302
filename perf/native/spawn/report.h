/* What the spawn references share: a clock, a median, the deny-list filter, and the output that the harness parses. */
#ifndef WAYANG_PERF_SPAWN_REPORT_H
#define WAYANG_PERF_SPAWN_REPORT_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#define WY_PERF_MAX_ITERATIONS 10000u
#define WY_PERF_FILTER_LENGTH 16u

typedef struct wy_perf_options {
    unsigned iterations;
    unsigned warmup;
    int json;
    int cpu; /* -1: not pinned */
} wy_perf_options;

uint64_t wy_perf_now_ns(void);

/* Reads --iterations N, --cpus A[,B], --json. Returns 0, or -1 after telling what was wrong on stderr. */
int wy_perf_parse(int argc, char **argv, wy_perf_options *out);

/* A filter as a task's would be: checks the architecture, refuses a few dangerous calls, allows the rest, so that any
 * program runs under it. Returns its length. */
size_t wy_perf_filter(struct sock_filter filter[WY_PERF_FILTER_LENGTH]);

/* Prints `{"name":...,"value":median,"unit":"us",...}` or one line for a person. Sorts `samples`. */
void wy_perf_report(const char *name, const wy_perf_options *options, uint64_t *samples, size_t count);

#endif
