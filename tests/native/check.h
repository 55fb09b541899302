/* What native test programs say with: one line per group, a nonzero exit when anything failed. */
#ifndef WAYANG_TESTS_CHECK_H
#define WAYANG_TESTS_CHECK_H

#include <stdio.h>

static int check_failures;
static int check_group_failures;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            check_failures++;                                                                                          \
            check_group_failures++;                                                                                    \
            (void)dprintf(1, "  %s:%d: %s\n", __FILE__, __LINE__, #condition);                                         \
        }                                                                                                              \
    } while (0)

static inline void check_done(const char *group) {
    (void)dprintf(1, "%s %s\n", check_group_failures == 0 ? "ok  " : "FAIL", group);
    check_group_failures = 0;
}

#endif
