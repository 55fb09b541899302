/* wayang-migrate-agent: started by wayang-spawner with its control socket and the stream at descriptors 3 and 4, for a
 * capture perhaps the manifest of where it goes at 5.
 * Exit codes: 0 done, 1 failed (and told), 2 wrong arguments. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint/agent.h"

static const char usage[] = "usage: wayang-migrate-agent describe|capture|capture-whole|live|live-whole|restore WORKER ZYGOTE\n"
                            "Freezes the worker with this pid and writes it down, or continues one in it. Started by wayang-spawner.\n";

static int parse_pid(const char *text, pid_t *out) {
    char *end = NULL;
    long value = strtol(text, &end, 10);
    *out = (pid_t)value;
    return *text != '\0' && *end == '\0' && value > 1 && value <= 0x7fffffff;
}

int main(int argc, char **argv) {
    wy_agent_task task = {0};
    task.restore = argc == 4 && strcmp(argv[1], "restore") == 0;
    task.live = argc == 4 && (strcmp(argv[1], "live") == 0 || strcmp(argv[1], "live-whole") == 0);
    task.whole = argc == 4 && (strcmp(argv[1], "capture-whole") == 0 || strcmp(argv[1], "live-whole") == 0);
    task.describe = argc == 4 && strcmp(argv[1], "describe") == 0;
    int plain = argc == 4 && strcmp(argv[1], "capture") == 0;
    if (!(task.restore || task.whole || task.live || task.describe || plain) || !parse_pid(argv[2], &task.worker) || !parse_pid(argv[3], &task.zygote)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    return wy_agent_run(&task) == WY_OK ? 0 : 1;
}
