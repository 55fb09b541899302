/* Status, error text, the futex wrapper, and what is inherited of a weight. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "base/futex.h"
#include "base/status.h"
#include "base/weight.h"

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

/* The niceness of a process that the caller forks. */
static int niceness_of_a_child(void) {
    pid_t pid = fork();
    if (pid == 0) {
        _exit(getpriority(PRIO_PROCESS, 0) + 50);
    }
    int status = 0;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) - 50 : -50;
}

/* In a process of its own, whose weight changes. */
static void weights(void) {
    pid_t pid = fork();
    if (pid == 0) {
        wy_weigh(0, -7, 400000);
        int own = getpriority(PRIO_PROCESS, 0), before = niceness_of_a_child();
        wy_weigh_alone();
        int reset = (sched_getscheduler(0) & SCHED_RESET_ON_FORK) != 0, after = niceness_of_a_child();
        _exit(own != getpriority(PRIO_PROCESS, 0) || before != own || !reset ? 1 : after != 0 ? 2 : own != -7 ? 3 : 0);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && (WEXITSTATUS(status) == 0 || (WEXITSTATUS(status) == 3 && geteuid() != 0)));
    check_done("whoever weighs alone keeps its weight and hands on an ordinary one");
}

int main(void) {
    errors();
    futex();
    weights();
    return check_failures != 0;
}
