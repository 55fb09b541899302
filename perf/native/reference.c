#include "reference.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        perror("sched_setaffinity");
        exit(2);
    }
}

static double now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static int parse(reference *run, int count, char **arguments) {
    for (int i = 1; i < count; i++) {
        int more = i + 1 < count;
        if (strcmp(arguments[i], "--json") == 0) {
            run->json = 1;
        } else if (strcmp(arguments[i], "--iterations") == 0 && more) {
            run->iterations = strtoull(arguments[++i], NULL, 10);
        } else if (strcmp(arguments[i], "--cpus") == 0 && more) {
            if (sscanf(arguments[++i], "%d,%d", &run->cpus[0], &run->cpus[1]) != 2) {
                return 0;
            }
        } else if (run->bytes != 0 && arguments[i][0] != '-') {
            run->bytes = strtoull(arguments[i], NULL, 10);
        } else {
            return 0;
        }
    }
    return run->iterations > 0 && run->bytes <= 65536 && run->cpus[0] >= 0 && run->cpus[1] >= 0 &&
           run->cpus[0] < CPU_SETSIZE && run->cpus[1] < CPU_SETSIZE;
}

static void print(const reference *run, double *batches) {
    double sorted[REFERENCE_BATCHES];
    memcpy(sorted, batches, sizeof(sorted));
    qsort(sorted, REFERENCE_BATCHES, sizeof(double), ascending);
    if (!run->json) {
        printf("%s: %.1f ns round trip (median of %d batches of %llu, cpus %d,%d)\n", run->name,
               sorted[REFERENCE_BATCHES / 2], REFERENCE_BATCHES, (unsigned long long)run->iterations, run->cpus[0],
               run->cpus[1]);
        return;
    }
    printf("{\"name\":\"%s\",\"median_ns\":%.2f,\"iterations\":%llu,\"bytes\":%zu,\"cpus\":[%d,%d],\"batches_ns\":[", run->name,
           sorted[REFERENCE_BATCHES / 2], (unsigned long long)run->iterations, run->bytes, run->cpus[0], run->cpus[1]);
    for (int i = 0; i < REFERENCE_BATCHES; i++) {
        printf("%s%.2f", i == 0 ? "" : ",", batches[i]);
    }
    printf("]}\n");
}

int reference_main(reference *run, int count, char **arguments, size_t shared_bytes, reference_step ask,
                   reference_step answer) {
    run->cpus[1] = 1;
    if (!parse(run, count, arguments)) {
        fprintf(stderr, "usage: %s %s[--cpus A,B] [--iterations N] [--json]\n", arguments[0],
                run->bytes != 0 ? "[BYTES, at most 65536] " : "");
        return 2;
    }
    run->shared = mmap(NULL, shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (run->shared == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    uint64_t warm_up = run->iterations / 4 + 1;
    uint64_t total = warm_up + run->iterations * REFERENCE_BATCHES;
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        return 2;
    }
    pin(run->cpus[child == 0]);
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (uint64_t round = 1; round <= total; round++) {
            answer(run, round);
        }
        _exit(0);
    }
    uint64_t round = 1;
    for (; round <= warm_up; round++) {
        ask(run, round);
    }
    double batches[REFERENCE_BATCHES];
    for (int batch = 0; batch < REFERENCE_BATCHES; batch++) {
        double start = now_ns();
        for (uint64_t i = 0; i < run->iterations; i++) {
            ask(run, round++);
        }
        batches[batch] = (now_ns() - start) / (double)run->iterations;
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    print(run, batches);
    return status == 0 ? 0 : 2;
}
