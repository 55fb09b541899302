/* Limit of spawn.worker: bubblewrap, all namespaces unshared, a seccomp filter, /bin/true.
 *
 * usage: ref_bwrap_filter [--iterations N] [--cpus A] [--json]
 * Writes the filter into a memfd (bwrap reads it with --seccomp FD), posix_spawns bwrap N times one after the other and
 * prints the median of spawn until reaped. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

enum { FILTER_FD = 9 }; /* a number that bwrap itself does not use */

extern char **environ;

static int make_filter(void) {
    struct sock_filter filter[WY_PERF_FILTER_LENGTH];
    const size_t bytes = wy_perf_filter(filter) * sizeof filter[0];
    const int fd = memfd_create("filter", 0);
    if (fd < 0 || write(fd, filter, bytes) != (ssize_t)bytes) {
        perror("memfd");
        return -1;
    }
    if (fd != FILTER_FD) {
        if (dup2(fd, FILTER_FD) < 0) {
            perror("dup2");
            return -1;
        }
        close(fd);
    }
    return 0;
}

static int run_once(uint64_t *elapsed) {
    /* The filter's offset is shared with the child that read it to its end. */
    if (lseek(FILTER_FD, 0, SEEK_SET) != 0) {
        perror("lseek");
        return -1;
    }
    char *const arguments[] = {"bwrap",         "--unshare-all", "--ro-bind", "/",         "/",    "--dev",
                               "/dev",          "--proc",        "/proc",     "--tmpfs",   "/tmp", "--die-with-parent",
                               "--new-session", "--seccomp",     "9",         "/bin/true", NULL};
    const uint64_t start = wy_perf_now_ns();
    pid_t child = 0;
    const int failure = posix_spawnp(&child, "bwrap", NULL, NULL, arguments, environ);
    if (failure != 0) {
        fprintf(stderr, "bwrap: %s (is bubblewrap installed?)\n", strerror(failure));
        return -1;
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            perror("waitpid");
            return -1;
        }
    }
    *elapsed = wy_perf_now_ns() - start;
    if (status != 0) {
        fprintf(stderr, "bwrap ended with status 0x%x\n", (unsigned)status);
        return -1;
    }
    return 0;
}

int main(int argc, char **argv) {
    static uint64_t samples[WY_PERF_MAX_ITERATIONS];
    wy_perf_options options;
    if (wy_perf_parse(argc, argv, &options) != 0) {
        return 2;
    }
    if (make_filter() != 0) {
        return 1;
    }
    for (unsigned i = 0; i < options.warmup + options.iterations; i++) {
        uint64_t elapsed = 0;
        if (run_once(&elapsed) != 0) {
            return 1;
        }
        if (i >= options.warmup) {
            samples[i - options.warmup] = elapsed;
        }
    }
    wy_perf_report("bwrap.true", &options, samples, options.iterations);
    return 0;
}
