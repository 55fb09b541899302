/* A check that hangs, is killed, leaves without an answer or leaves something behind costs only its own answer. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe/probe.h"

#define CHECK(condition, what)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, what);                                  \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static pid_t *left_behind; /* shared with the children */

static void answers(const wy_probe_context *context, wy_answer *answer) {
    wy_say(answer, WY_PROBE_YES, "in\t%s\nhere", context->state_dir);
}

static void hangs(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    (void)answer;
    for (;;) {
        (void)pause();
    }
}

static void is_killed(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    (void)answer;
    (void)raise(SIGKILL);
}

static void leaves(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    (void)answer;
    _exit(3);
}

/* The child holds our end of the pipe open. */
static void leaves_a_child(const wy_probe_context *context, wy_answer *answer) {
    pid_t child = fork();
    if (child == 0) {
        hangs(context, answer);
    }
    *left_behind = child;
    _exit(0);
}

static wy_answer run(void (*check)(const wy_probe_context *, wy_answer *), int limit_ms) {
    const wy_probe_context context = {.state_dir = "/there"};
    const wy_check one = {"test", check, limit_ms};
    wy_answer answer = {.verdict = WY_PROBE_UNKNOWN};
    wy_check_run(&one, &context, &answer);
    return answer;
}

int main(void) {
    wy_answer answer = run(answers, 0);
    CHECK(answer.verdict == WY_PROBE_YES && strcmp(answer.value, "in /there here") == 0, answer.value);
    answer = run(hangs, 200);
    CHECK(answer.verdict == WY_PROBE_UNKNOWN && strcmp(answer.value, "no answer within 200 ms") == 0, answer.value);
    answer = run(is_killed, 0);
    CHECK(answer.verdict == WY_PROBE_NO && strcmp(answer.value, "the attempt was ended by signal 9") == 0, answer.value);
    answer = run(leaves, 0);
    CHECK(answer.verdict == WY_PROBE_UNKNOWN && strstr(answer.value, "exit code 3") != NULL, answer.value);
    left_behind = mmap(NULL, sizeof *left_behind, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(left_behind != MAP_FAILED, strerror(errno));
    answer = run(leaves_a_child, 0);
    CHECK(answer.verdict == WY_PROBE_UNKNOWN && strstr(answer.value, "exit code 0") != NULL, answer.value);
    for (int i = 0; i < 2000 && kill(*left_behind, 0) == 0; i++) {
        char state[64], path[48];
        (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)*left_behind);
        wy_first_line(path, state, sizeof state);
        if (strstr(state, ") Z") != NULL) { /* dead; its new parent has not looked yet */
            break;
        }
        CHECK(i < 1999, "the child was left behind");
        (void)usleep(5000);
    }
    printf("answers, hangs, killed, left, left a child: each told as it was\n");
    return 0;
}
