/* PS1, PS4, TR1: Python calls moved in the middle of their loops, generators, exceptions, numbers and matches. */
#include "rounds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 32768 };

/* Appends a module of the jobs' folder; its length. */
static size_t append_module(char *out, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, out, MOST - 1);
    CHECK(fd >= 0 && length > 0 && length < MOST - 1, "%s cannot be read: %s", path, strerror(errno));
    (void)close(fd);
    return (size_t)length;
}

/* In the order in which the module defines them. */
static job jobs[] = {
    {"bigint", "3000", 0, 0, 0}, {"churn", "15000", 0, 0, 0},    {"generators", "60000", 0, 0, 0}, {"exceptions", "1200", 0, 0, 0},
    {"decimals", "12000", 0, 0, 0}, {"regex", "120", 0, 0, 0},      {"hashes", "40000", 0, 0, 0},     {"bodies", "3000", 0, 0, 0},
    {"texts", "1200", 0, 0, 0},   {"classes", "60", 0, 0, 0},      {"drawn", "40000", 0, 0, 0},      {"recursion", "300", 0, 0, 0},
    {"arrays", "60", 0, 0, 0},
};

int main(int argc, char **argv) {
    static const char *const plain[] = {"json", "re", "math", "hashlib", "decimal", "zlib", "pickle", "dataclasses", "random", NULL};
    static const char *const more[] = {"json", "re", "math", "hashlib", "decimal", "zlib", "pickle", "dataclasses", "random", "numpy", NULL};
    static uint8_t source[2 * MOST + 4096];
    static char whole[2 * MOST];
    static mover m;
    test_setup setup;
    int binary = open(WY_TEST_STAGE "/wayang-zygote", O_PATH | O_CLOEXEC);
    int python = open(WY_TEST_STAGE "/wayang_python.so", O_RDONLY | O_CLOEXEC);
    if (python < 0) {
        fprintf(stderr, "skipped: wayang_python.so was not built (install libpython3-dev)\n");
        return TEST_SKIPPED;
    }
    test_begin(&setup, argc, argv);
    (void)close(setup.zygote_binary);
    setup.zygote_binary = binary;
    setup.python = python;
    int numpy = access("/usr/lib/python3/dist-packages/numpy", R_OK) == 0;
    size_t end = append_module(whole, WY_TEST_JOBS_FOLDER "/jobs.py");
    if (numpy) {
        (void)append_module(whole + end, WY_TEST_JOBS_FOLDER "/jobs_numpy.py");
    }
    size_t bytes = test_python_source(source, whole, numpy ? more : plain);
    rounds_begin(&setup);
    mover_open(&m, &setup, WY_IMAGE_PYTHON, source, bytes);
    rounds_run(&m, jobs, (uint16_t)(sizeof jobs / sizeof jobs[0] - !numpy), 600);
    mover_close(&m);
    return 0;
}
