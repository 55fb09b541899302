/* Limit of python.fresh: the distribution's interpreter started for three modules, as a script's user pays for it.
 *
 * usage: ref_python [--iterations N] [--cpus A] [--json]
 * Each run: posix_spawn of /usr/bin/python3 -I -c 'import json,re,hashlib' with its output to /dev/null, wait. No sandbox. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "report.h"

static int run_once(uint64_t *elapsed) {
    char *const arguments[] = {"python3", "-I", "-c", "import json,re,hashlib", NULL};
    char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
    posix_spawn_file_actions_t files;
    pid_t pid = 0;
    int status = 0;
    const uint64_t start = wy_perf_now_ns();
    if (posix_spawn_file_actions_init(&files) != 0 ||
        posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0) != 0) {
        perror("posix_spawn_file_actions");
        return -1;
    }
    const int failed = posix_spawn(&pid, "/usr/bin/python3", &files, NULL, arguments, environment);
    posix_spawn_file_actions_destroy(&files);
    if (failed != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "/usr/bin/python3: spawn %d, status 0x%x\n", failed, (unsigned)status);
        return -1;
    }
    *elapsed = wy_perf_now_ns() - start;
    return 0;
}

int main(int argc, char **argv) {
    static uint64_t samples[WY_PERF_MAX_ITERATIONS];
    wy_perf_options options;
    if (wy_perf_parse(argc, argv, &options) != 0) {
        return 2;
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
    wy_perf_report("python.fresh", &options, samples, options.iterations);
    return 0;
}
