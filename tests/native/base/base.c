/* Status, error text and the futex wrapper. */
#include <errno.h>
#include <string.h>

#include "../check.h"
#include "base/futex.h"
#include "base/status.h"

static void errors(void) {
    wy_error error;
    memset(&error, 0xff, sizeof(error));
    char longer[600];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    CHECK(wy_fail(&error, WY_DENIED, EPERM, longer, "%s", longer) == WY_DENIED);
    CHECK(error.status == WY_DENIED && error.sys_errno == EPERM);
    CHECK(strlen(error.where) == sizeof(error.where) - 1);
    CHECK(strlen(error.message) == sizeof(error.message) - 1);
    CHECK(wy_fail(NULL, WY_FULL, 0, "x", "y") == WY_FULL);
    check_done("an error is cut to its room and always terminated");
}

static void futex(void) {
    uint32_t word = 7;
    CHECK(wy_futex_wait(&word, 8, 1000) == WY_OK);
    CHECK(wy_futex_wait(&word, 7, 1) == WY_TIMEOUT);
    CHECK(wy_futex_wake(&word, 1) == 0);
    CHECK(wy_futex_wake((const uint32_t *)(uintptr_t)2, 1) == -EINVAL);
    check_done("futex: changed word, timeout, nobody there, bad address");
}

int main(void) {
    errors();
    futex();
    return check_failures != 0;
}
