/* Real images and real commands through the real spawner: exits, signals, limits, violations, and what is left behind. */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "channel/memory.h"
#include "driver.h"

static driver d;
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool starts(uint64_t worker) {
    return driver_expect(&d, WY_MSG_WORKER_STARTED) && d.body.started.worker_id == worker;
}

static void exits(void) {
    char text[256];
    int out;
    driver_command(&d, 1, 1, NULL, NULL, ARGV("/bin/true"));
    CHECK(starts(1));
    CHECK(driver_ends(&d, 1, WY_EXIT_CODE, 0));
    driver_command(&d, 2, 1, NULL, &out, ARGV("/bin/sh", "-c", "echo from inside; exit 42"));
    CHECK(driver_ends(&d, 2, WY_EXIT_CODE, 42));
    read_all(out, text, sizeof text);
    CHECK(strcmp(text, "from inside\n") == 0);
    driver_command(&d, 3, 1, NULL, NULL, ARGV("/bin/sh", "-c", "kill -SEGV $$"));
    CHECK(driver_ends(&d, 3, WY_EXIT_SIGNAL, SIGSEGV));
    driver_command(&d, 4, 1, NULL, NULL, ARGV("/no/such/program"));
    CHECK(driver_ends(&d, 4, WY_EXIT_CODE, 127));
    driver_command(&d, 5, 1, NULL, NULL, ARGV("/bin/sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"));
    CHECK(driver_ends(&d, 5, WY_EXIT_CODE, 0) && d.body.exited.cpu_microseconds > 10000);
    check_done("a command's exit code, signal, output and CPU time");
}

static void signals(void) {
    int out;
    char byte;
    driver_command(&d, 10, 1, NULL, &out, ARGV("/bin/sh", "-c", "trap 'exit 7' TERM; echo x; while :; do sleep 1 & wait; done"));
    CHECK(starts(10) && read(out, &byte, 1) == 1); /* the trap is set: its echo has come */
    driver_signal(&d, 10, SIGTERM);
    CHECK(driver_ends(&d, 10, WY_EXIT_CODE, 7));
    close(out);
    driver_command(&d, 11, 1, NULL, NULL, ARGV("/bin/sleep", "1000"));
    CHECK(starts(11));
    driver_signal(&d, 11, SIGKILL);
    CHECK(driver_ends(&d, 11, WY_EXIT_KILLED, SIGKILL));
    driver_command(&d, 12, 1, NULL, NULL, ARGV("/bin/sleep", "1000"));
    driver_signal(&d, 12, SIGKILL); /* before it can have started */
    CHECK(driver_ends(&d, 12, WY_EXIT_KILLED, SIGKILL));
    driver_command(&d, 13, 1, NULL, NULL, ARGV("/bin/sleep", "1000"));
    CHECK(starts(13));
    driver_signal(&d, 13, SIGINT);
    CHECK(driver_ends(&d, 13, WY_EXIT_SIGNAL, SIGINT));
    check_done("signals to the command, kill while running and while starting");
}

static void limits(uint32_t features) {
    wy_msg_worker_start small = {.memory_bytes = 32 << 20, .pids = 8, .nice_class = 2};
    if (features & WY_FEATURE_MEMORY_GROUP) {
        driver_command(&d, 20, 1, &small, NULL, ARGV("/usr/bin/tail", "/dev/zero"));
        CHECK(driver_ends(&d, 20, WY_EXIT_OOM, -1));
        CHECK(d.body.exited.peak_memory_bytes > (24 << 20) && d.body.exited.peak_memory_bytes <= (33 << 20));
        driver_command(&d, 21, 1, &small, NULL, ARGV("/bin/true"));
        CHECK(driver_ends(&d, 21, WY_EXIT_CODE, 0) && d.body.exited.peak_memory_bytes < (24 << 20));
        check_done("the memory limit ends a worker; its group serves the next as new");
    } else {
        printf("skip memory group: %s\n", d.body.welcome.note);
    }
}

/* By a pids group, or by RLIMIT_NPROC in a user namespace of each one's own: the numbers are the same. */
static void processes(void) {
    char text[256];
    int out, neighbour;
    wy_msg_worker_start small = {.pids = 8};
    driver_command(&d, 22, 1, &small, &out,
                   ARGV("/bin/sh", "-c", "i=0; while [ $i -lt 40 ]; do sleep 100 & i=$((i+1)); echo $i; done"));
    CHECK(driver_expect(&d, WY_MSG_WORKER_EXITED) && d.body.exited.worker_id == 22 && d.body.exited.value != 0);
    read_all(out, text, sizeof text);
    CHECK(strstr(text, "6\n") != NULL && strstr(text, "9\n") == NULL);
    check_done("the number of processes is bounded, and none outlives the command");

    driver_command(&d, 23, 1, &small, &out, ARGV("/bin/sh", "-c", "for i in 1 2 3 4 5 6; do sleep 1000 & done; echo full; wait"));
    CHECK(starts(23) && read(out, text, 5) == 5);
    driver_command(&d, 24, 1, &small, &neighbour,
                   ARGV("/bin/sh", "-c", "for i in 1 2 3 4 5; do sleep 0.2 & done; wait; grep -Ec 'Cap.*0000000000000000' /proc/self/status"));
    CHECK(driver_ends(&d, 24, WY_EXIT_CODE, 0));
    read_all(neighbour, text, sizeof text);
    CHECK(strcmp(text, "5\n") == 0); /* and none of the five sets has a capability */
    driver_signal(&d, 23, SIGKILL);
    CHECK(driver_ends(&d, 23, WY_EXIT_KILLED, SIGKILL));
    close(out);
    check_done("one that has all its processes takes none of another's");
}

/* The shares of the group that a process is in, and whether that stands beside the others: version 1's, where the cpu hierarchy is one of its
 * own. */
static uint64_t cpu_shares(pid_t pid, bool *low) {
    char path[512], line[400];
    uint64_t shares = 0;
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && shares == 0 && fgets(line, sizeof line, file) != NULL) {
        char *group = strstr(line, ":cpu:/");
        if (group != NULL) {
            group[strcspn(group, "\n")] = 0;
            *low = strstr(group, "-low/") != NULL;
            snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.shares", group + 5);
            FILE *value = fopen(path, "re");
            shares = value != NULL && fgets(line, sizeof line, value) != NULL ? strtoull(line, NULL, 10) : 1;
            if (value != NULL) {
                fclose(value);
            }
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return shares;
}

/* Niceness and the group's weight follow the class, down and up again; a later question's answer says that it was done. */
static void classes(uint32_t features) {
    static const struct {
        uint32_t nice_class;
        int nice;
        uint64_t shares; /* at least 2, and other than its neighbours' */
    } steps[] = {{1, 10, 16}, {2, 19, 0}, {3, -5, 16384}, {0, 0, 1024}};
    wy_msg_usage ask = {0};
    const wy_msg_worker_class nobody = {.worker_id = 999, .nice_class = 3};
    driver_command(&d, 29, 1, NULL, NULL, ARGV("/bin/sleep", "1000"));
    CHECK(starts(29));
    pid_t pid = d.body.started.pid;
    for (size_t i = 0; (features & WY_FEATURE_ROOT) != 0 && i < sizeof steps / sizeof steps[0]; i++) {
        const wy_msg_worker_class next = {.worker_id = 29, .nice_class = steps[i].nice_class};
        driver_send(&d, WY_MSG_WORKER_CLASS, &next, sizeof next, NULL, 0);
        driver_send(&d, WY_MSG_USAGE, &ask, sizeof ask, NULL, 0);
        CHECK(driver_expect(&d, WY_MSG_USAGE_OF));
        CHECK(getpriority(PRIO_PROCESS, (id_t)pid) == steps[i].nice);
        CHECK((sched_getscheduler(pid) == SCHED_IDLE) == (steps[i].nice_class == 2));
        bool low = false;
        uint64_t shares = cpu_shares(pid, &low);
        CHECK(shares == 0 || low == (steps[i].nice_class == 1 || steps[i].nice_class == 2));
        CHECK(shares <= 1 || steps[i].shares == 0 || shares == steps[i].shares); /* 0 and 1: no such hierarchy here */
    }
    driver_send(&d, WY_MSG_WORKER_CLASS, &nobody, sizeof nobody, NULL, 0); /* it may just have ended: nothing comes of it */
    driver_signal(&d, 29, SIGKILL);
    CHECK(driver_receive(&d) && d.type == WY_MSG_WORKER_EXITED && d.body.exited.worker_id == 29);
    check_done("a running worker weighs as the class that it is given");
}

/* Version 2: a command of class batch is made beside the others, with all that limits it. */
static void born_low(uint32_t features) {
    char path[64], line[400] = "";
    driver_command(&d, 30, 1, NULL, NULL, ARGV("/bin/sleep", "1000"));
    CHECK(starts(30));
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)d.body.started.pid);
    FILE *file = fopen(path, "re");
    bool unified = file != NULL && fgets(line, sizeof line, file) != NULL && strncmp(line, "0::", 3) == 0;
    if (file != NULL) {
        fclose(file);
    }
    const wy_msg_worker_class batch = {.worker_id = 30, .nice_class = 1};
    driver_send(&d, WY_MSG_WORKER_CLASS, &batch, sizeof batch, NULL, 0); /* it stays where it is, and weighs less */
    driver_signal(&d, 30, SIGKILL);
    CHECK(driver_receive(&d) && d.type == WY_MSG_WORKER_EXITED);
    if (!unified || (features & WY_FEATURE_MEMORY_GROUP) == 0) {
        printf("skip born low: no memory group of version 2\n");
        return;
    }
    CHECK(strstr(line, "-low/") == NULL);
    const wy_msg_worker_start low = {.nice_class = 1};
    driver_command(&d, 31, 1, &low, NULL, ARGV("/bin/sleep", "1000"));
    CHECK(starts(31));
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)d.body.started.pid);
    file = fopen(path, "re");
    CHECK(file != NULL && fgets(line, sizeof line, file) != NULL && strstr(line, "-low/") != NULL);
    if (file != NULL) {
        fclose(file);
    }
    driver_signal(&d, 31, SIGKILL);
    CHECK(driver_receive(&d) && d.type == WY_MSG_WORKER_EXITED);
    check_done("a command of class batch is made beside the others");
}

/* Asks until the worker's figures are over what is wanted; each answer stands alone. */
static void usage(uint32_t features) {
    wy_msg_usage ask = {0}, wrong = {.reserved = 1}, beyond = {.first = UINT32_MAX};
    wy_msg_usage_of answer = {0};
    wy_worker_usage used = {0};
    char byte;
    int out;
    if ((features & WY_FEATURE_MEMORY_GROUP) == 0) {
        printf("skip usage: no memory group\n");
        return;
    }
    driver_command(&d, 27, 1, NULL, &out, ARGV("/bin/sh", "-c", "x=$(head -c 20000000 /dev/zero | tr '\\0' a); echo x; sleep 1000"));
    CHECK(starts(27) && read(out, &byte, 1) == 1);
    close(out);
    driver_send(&d, WY_MSG_USAGE, &ask, sizeof ask, NULL, 0);
    CHECK(driver_expect(&d, WY_MSG_USAGE_OF) && d.length == sizeof answer + sizeof used);
    memcpy(&answer, d.body.bytes, sizeof answer);
    memcpy(&used, d.body.bytes + sizeof answer, sizeof used);
    CHECK(answer.count == 1 && answer.next == 0 && used.worker_id == 27);
    CHECK(used.memory_bytes > 20000000 && used.cpu_microseconds > 0);
    driver_send(&d, WY_MSG_USAGE, &wrong, sizeof wrong, NULL, 0);
    CHECK(driver_expect(&d, WY_MSG_REFUSED));
    driver_send(&d, WY_MSG_USAGE, &beyond, sizeof beyond, NULL, 0);
    CHECK(driver_expect(&d, WY_MSG_USAGE_OF) && d.length == sizeof answer);
    driver_signal(&d, 27, SIGKILL);
    CHECK(driver_ends(&d, 27, WY_EXIT_KILLED, SIGKILL));
    CHECK(d.body.exited.cpu_microseconds >= used.cpu_microseconds);
    /* The same group, used again, begins at nothing. */
    driver_command(&d, 28, 1, NULL, NULL, ARGV("/bin/true"));
    CHECK(driver_ends(&d, 28, WY_EXIT_CODE, 0) && d.body.exited.cpu_microseconds < used.cpu_microseconds);
    check_done("what a running worker uses is told, and what its group's last tenant used is not");
}

static void disk(void) {
    wy_msg_worker_start small = {.memory_bytes = 64 << 20, .tmpfs_bytes = 4 << 20};
    driver_command(&d, 24, 1, &small, NULL, ARGV("/bin/dd", "if=/dev/zero", "of=/tmp/x", "bs=1M", "count=8"));
    CHECK(driver_ends(&d, 24, WY_EXIT_CODE, 1) && d.body.exited.flags == WY_EXIT_DISK_FULL);
    driver_command(&d, 25, 1, &small, NULL, ARGV("/bin/dd", "if=/dev/zero", "of=/tmp/x", "bs=1M", "count=3"));
    CHECK(driver_ends(&d, 25, WY_EXIT_CODE, 0) && d.body.exited.flags == 0);
    check_done("writable space is bounded, and a full one is told");
}

/* 250 ms of CPU time at a quarter of a processor take about a second; without the cap about 250 ms, or as long as others
 * let it: so the least is checked, never the most. */
static void cap(uint32_t features) {
    if ((features & WY_FEATURE_CPU_CAP) == 0) {
        printf("skip cpu cap: the host gives none\n");
        return;
    }
    wy_msg_worker_start slow = {.cpu_milli = 250};
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    driver_command(&d, 26, 1, &slow, NULL, ARGV("/bin/sh", "-c", "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done"));
    CHECK(driver_ends(&d, 26, WY_EXIT_CODE, 0));
    clock_gettime(CLOCK_MONOTONIC, &after);
    double wall = (double)(after.tv_sec - before.tv_sec) * 1e6 + (double)(after.tv_nsec - before.tv_nsec) / 1e3;
    /* A period's share may be used up front, and one more at the end. */
    CHECK(wall > ((double)d.body.exited.cpu_microseconds - 50000) * 3);
    check_done("the cap of CPU time stretches a busy command");
}

static void violation(void) {
    driver_command(&d, 30, 1, NULL, NULL,
                   ARGV("/usr/bin/python3", "-c", "import ctypes; ctypes.CDLL(None).ptrace(16, 1, 0, 0)"));
    CHECK(driver_ends(&d, 30, WY_EXIT_VIOLATION, 101));
    CHECK(strcmp(d.body.exited.text, "ptrace") == 0);
    check_done("a dangerous call ends the worker with its name");
}

static void call_workers(const char *plugin) {
    wy_geometry geometry = {.request_slots = 64,
                            .request_arena_bytes = 65536,
                            .completion_slots = 64,
                            .completion_arena_bytes = 65536,
                            .worker_spin = 0,
                            .max_payload = 1 << 20,
                            .epoch = 1};
    wy_channel_memory memory;
    wy_error error = {0};
    CHECK(driver_plugin_image(&d, 2, "compute", plugin));
    CHECK(d.body.image_ready.function_count > 0);
    for (uint64_t id = 40; id < 44; id++) {
        wy_msg_worker_start start = {.worker_id = id, .image_id = 2};
        CHECK(wy_channel_create(&geometry, &memory, &error) == WY_OK);
        int fds[3] = {memory.d_fd, memory.w_fd, memory.doorbell_fd};
        driver_send(&d, WY_MSG_WORKER_START, &start, sizeof start, fds, 3);
        CHECK(starts(id));
        driver_signal(&d, id, SIGTERM); /* not a command: refused */
        CHECK(driver_expect(&d, WY_MSG_REFUSED));
        driver_signal(&d, id, SIGKILL);
        CHECK(driver_ends(&d, id, WY_EXIT_KILLED, SIGKILL));
        wy_channel_destroy(&memory);
    }
    wy_msg_image_ref close_it = {.image_id = 2};
    driver_send(&d, WY_MSG_IMAGE_CLOSE, &close_it, sizeof close_it, NULL, 0);
    CHECK(driver_expect(&d, WY_MSG_IMAGE_GONE) && d.body.failure.code == WY_OK);
    check_done("workers of a plugin: started, killed, image closed");
}

static void zygote_dies(void) {
    CHECK(driver_command_image(&d, 3, "standard"));
    pid_t zygote = d.body.image_ready.zygote_pid;
    driver_command(&d, 50, 3, NULL, NULL, ARGV("/bin/sleep", "1000"));
    CHECK(starts(50));
    kill(zygote, SIGKILL);
    CHECK(driver_ends(&d, 50, WY_EXIT_LOST, 0));
    CHECK(driver_expect(&d, WY_MSG_IMAGE_GONE) && d.body.failure.id == 3);
    CHECK(driver_command_image(&d, 3, "standard")); /* the id is free again */
    check_done("a killed zygote: its workers end, then the image; another can be opened");
}

static int count_children(pid_t parent) {
    char path[64], text[4096];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    read_all(fd, text, sizeof text);
    for (const char *c = text; *c != 0; c++) {
        count += *c == ' ';
    }
    return count;
}

/* An image whose constructor made a child of the spawner's: the child is killed, and nothing else. */
static void unasked_children(void) {
    int before = count_children(d.pid);
    CHECK(driver_plugin_image(&d, 4, "compute", WY_TEST_FORKING_PLUGIN));
    for (int i = 0; i < 200 && !driver_log_has(&d, "its fork was not told"); i++) {
        struct timespec moment = {.tv_nsec = 50000000}; /* the sweep has no event that a daemon could see */
        nanosleep(&moment, NULL);
    }
    CHECK(driver_log_has(&d, "its fork was not told"));
    CHECK(count_children(d.pid) == before + 2); /* holder and zygote */
    wy_msg_image_ref close_it = {.image_id = 4};
    driver_send(&d, WY_MSG_IMAGE_CLOSE, &close_it, sizeof close_it, NULL, 0);
    CHECK(driver_expect(&d, WY_MSG_IMAGE_GONE));
    check_done("a child that an image made behind our back is killed");
}

/* Directories named INSTANCE below any cgroup hierarchy, three levels deep. */
static int count_groups(const char *directory, const char *instance, int depth) {
    int count = 0;
    DIR *dir = opendir(directory);
    for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL; entry = readdir(dir)) {
        char path[1024];
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.') {
            continue;
        }
        count += strcmp(entry->d_name, instance) == 0;
        if (depth > 0 && snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) < (int)sizeof path) {
            count += count_groups(path, instance, depth - 1);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

static void leftovers(const char *instance, bool groups) {
    driver_command(&d, 60, 1, NULL, NULL, ARGV("/bin/sh", "-c", "sleep 1000 & sleep 1000"));
    CHECK(starts(60));
    pid_t worker = d.body.started.pid;
    CHECK(!groups || count_groups("/sys/fs/cgroup", instance, 4) > 0);
    CHECK(driver_kill(&d) == -SIGKILL);
    CHECK(driver_start(&d, instance)); /* the successor sweeps; when it answers, nothing of the old one is left */
    /* Orphans come to us: it is dead, or dies by its holder's parent-death signal. Were it alive, this would never end. */
    CHECK(waitpid(worker, NULL, __WALL) == worker && kill(worker, 0) != 0);
    CHECK(driver_command_image(&d, 1, "standard"));
    driver_command(&d, 1, 1, NULL, NULL, ARGV("/bin/true"));
    CHECK(driver_ends(&d, 1, WY_EXIT_CODE, 0));
    check_done("after kill -9 of the spawner its successor sweeps and serves");
    driver_command(&d, 2, 1, NULL, NULL, ARGV("/bin/sleep", "1000"));
    CHECK(starts(2));
    worker = d.body.started.pid;
    CHECK(driver_end(&d) == 0);
    CHECK(kill(worker, 0) != 0);
    CHECK(count_groups("/sys/fs/cgroup", instance, 4) == 0);
    check_done("after the daemon hangs up no process and no group is left");
}

int main(int argc, char **argv) {
    char instance[40];
    int skip = driver_identity(argc, argv);
    if (skip != 0) {
        return skip;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    snprintf(instance, sizeof instance, "test-tasks-%d", (int)getpid());
    if (!driver_start(&d, instance)) {
        return 1;
    }
    uint32_t features = d.body.welcome.features;
    CHECK(driver_command_image(&d, 1, "standard"));
    exits();
    signals();
    limits(features);
    processes();
    usage(features);
    classes(features);
    born_low(features);
    disk();
    cap(features);
    violation();
    call_workers(WY_TEST_PLUGIN);
    zygote_dies();
    unasked_children();
    leftovers(instance, (features & WY_FEATURE_MEMORY_GROUP) != 0);
    return check_failures != 0;
}
