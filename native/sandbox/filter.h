/* From rules to a seccomp program. */
#ifndef WAYANG_SANDBOX_FILTER_H
#define WAYANG_SANDBOX_FILTER_H

#include <linux/filter.h>
#include <stdint.h>

#include "base/status.h"
#include "sandbox/profile.h"

#define WY_FILTER_MAX_RULES 640u
#define WY_FILTER_MAX_VALUES 4u

/* The condition of a rule: (argument & mask) is one of the values. It compares the low 32 bits, which is all that the
 * kernel uses of the arguments that a policy may name (descriptors, clone and mmap flags, ioctl requests). */
typedef struct wy_filter_condition {
    uint8_t present;
    uint8_t argument; /* 0..5 */
    uint8_t value_count;
    uint8_t negated; /* holds when it is none of the values */
    uint32_t mask;
    uint32_t values[WY_FILTER_MAX_VALUES];
} wy_filter_condition;

typedef struct wy_filter_rule {
    uint32_t number;
    uint32_t action;    /* SECCOMP_RET_* | data */
    uint32_t otherwise; /* when the condition does not hold */
    uint32_t file;      /* which file said it: an including file overrides what it included */
    wy_filter_condition condition;
} wy_filter_rule;

typedef struct wy_filter_rules {
    uint32_t default_action;
    uint32_t count;
    wy_filter_rule rules[WY_FILTER_MAX_RULES];
} wy_filter_rules;

/* Number of a system call on this architecture, or -1. */
int wy_syscall_number(const char *name);

/* Reads one *.syscalls file of the policy directory (and what it includes). */
wy_status wy_rules_read(int directory, const char *name, wy_filter_rules *out, wy_error *error);

/* Compiles into a program that is allocated (free out->filter) and at most WY_PROFILE_MAX_FILTER long: architecture
 * check, x32 refused, then a balanced search over ranges of equal action. The kernel runs a new program once for each
 * system call number to build its allow bitmap: the search makes that, and so attaching, cheap. */
wy_status wy_filter_compile(const wy_filter_rules *rules, struct sock_fprog *out, wy_error *error);

#endif
