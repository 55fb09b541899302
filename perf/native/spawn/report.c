#include "report.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#if defined(__x86_64__)
#define WY_PERF_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define WY_PERF_ARCH AUDIT_ARCH_AARCH64
#else
#error "no filter for this architecture"
#endif

uint64_t wy_perf_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int parse_number(const char *text, unsigned maximum, unsigned *out) {
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || value > maximum) {
        return -1;
    }
    *out = (unsigned)value;
    return *end == '\0' || *end == ',' ? 0 : -1;
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

int wy_perf_parse(int argc, char **argv, wy_perf_options *out) {
    *out = (wy_perf_options){.iterations = 200, .warmup = 10, .json = 0, .cpu = -1};
    for (int i = 1; i < argc; i++) {
        unsigned cpu = 0;
        if (strcmp(argv[i], "--json") == 0) {
            out->json = 1;
        } else if (strcmp(argv[i], "--iterations") == 0 && i + 1 < argc &&
                   parse_number(argv[i + 1], WY_PERF_MAX_ITERATIONS, &out->iterations) == 0 && out->iterations > 0) {
            i++;
        } else if (strcmp(argv[i], "--cpus") == 0 && i + 1 < argc &&
                   parse_number(argv[i + 1], CPU_SETSIZE - 1, &cpu) == 0) {
            out->cpu = (int)cpu;
            i++;
        } else {
            fprintf(stderr, "usage: %s [--iterations 1..%u] [--cpus A] [--json] (at: %s)\n", argv[0],
                    WY_PERF_MAX_ITERATIONS, argv[i]);
            return -1;
        }
    }
    if (out->cpu >= 0) {
        pin(out->cpu);
    }
    return 0;
}

size_t wy_perf_filter(struct sock_filter filter[WY_PERF_FILTER_LENGTH]) {
    static const uint32_t refused[] = {__NR_ptrace, __NR_bpf, __NR_kexec_load, __NR_init_module, __NR_perf_event_open};
    const size_t count = sizeof refused / sizeof refused[0];
    size_t n = 0;
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WY_PERF_ARCH, 1, 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++) {
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused[i], (uint8_t)(count - i), 0);
    }
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    return n;
}

static int compare(const void *left, const void *right) {
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

void wy_perf_report(const char *name, const wy_perf_options *options, uint64_t *samples, size_t count) {
    qsort(samples, count, sizeof samples[0], compare);
    const double median = (double)samples[count / 2] / 1000.0;
    const double p99 = (double)samples[count * 99 / 100] / 1000.0;
    if (options->json) {
        printf("{\"name\":\"%s\",\"value\":%.3f,\"unit\":\"us\",\"p99\":%.3f,\"runs\":%zu}\n", name, median, p99,
               count);
    } else {
        printf("%s: median %.1f us, p99 %.1f us, %zu runs\n", name, median, p99, count);
    }
}
