/* Status codes and the caller-owned error of the native core.
 *
 * Library code returns a wy_status, never exits, prints or aborts. Every function that can fail for a reason worth
 * telling takes a `wy_error *` (may be NULL) and fills it: what failed, where, and errno if a system call said so. */
#ifndef WAYANG_BASE_STATUS_H
#define WAYANG_BASE_STATUS_H

#include <stdint.h>

typedef enum wy_status {
    WY_OK = 0,
    WY_EMPTY = 1,       /* nothing to read: not an error */
    WY_FULL = 2,        /* no room now: not an error, try again after the peer advanced */
    WY_TIMEOUT = 3,     /* the time allowed ran out */
    WY_CLOSED = 4,      /* the peer is gone */
    WY_INVALID = 5,     /* the caller's argument is outside its documented range */
    WY_CORRUPT = 6,     /* the peer wrote something that no correct peer writes */
    WY_TOO_BIG = 7,     /* over a documented bound */
    WY_DENIED = 8,      /* the policy or the kernel forbids it */
    WY_UNSUPPORTED = 9, /* this host cannot do it */
    WY_NO_MEMORY = 10,
    WY_SYSTEM = 11      /* a system call failed: sys_errno says how */
} wy_status;

/* 256 bytes, owned by the caller; `where` and `message` are always NUL-terminated after a failure. */
typedef struct wy_error {
    int32_t status;
    int32_t sys_errno;
    char where[32];    /* the step or function, e.g. "pivot_root" */
    char message[216]; /* one sentence, without a trailing newline */
} wy_error;

_Static_assert(sizeof(wy_error) == 256, "wy_error is part of the C ABI");

/* Fills `error` (if not NULL) and returns `status`. `sys_errno` 0 when no system call failed. printf-style. */
wy_status wy_fail(wy_error *error, wy_status status, int sys_errno, const char *where, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
