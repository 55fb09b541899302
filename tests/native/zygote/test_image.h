/* What test and test image say to each other through the channel's two files. */
#ifndef WAYANG_TESTS_TEST_IMAGE_H
#define WAYANG_TESTS_TEST_IMAGE_H

#include <stdint.h>

#define TEST_MAX_CALLS 16u
#define TEST_OFFSET 4096u
#define TEST_EXIT_CODE 7

typedef struct test_call {
    int64_t number;
    int64_t arguments[6];
} test_call;

/* In D: system calls that the worker makes, in order; then it waits until `doorbell` of the header is 1, and exits. */
typedef struct test_requests {
    uint64_t count;
    test_call calls[TEST_MAX_CALLS];
} test_requests;

/* In W: -errno or the value of each. */
typedef struct test_results {
    uint64_t done;
    int64_t values[TEST_MAX_CALLS];
} test_results;

#endif
