/* Rates of disk I/O: what a task writes and reads of its space takes as long as its rate says, measured against a task with four times the rate;
 * and one that waits for its turn can be killed. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "driver.h"
#include "spawner/space.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define MIB (UINT64_C(1) << 20)
#define SPACE (64 * MIB)
#define WRITE_DIRECT "dd if=/dev/zero of=/tmp/x bs=256K count=16 oflag=direct 2>/dev/null"
#define WRITE_SYNC "dd if=/dev/zero of=/tmp/x bs=256K count=16 conv=fsync 2>/dev/null"
#define ATTEMPTS 3 /* others may hold up the fast one, never the slow one below its rate */

static driver d;
static char directory[64] = "/var/tmp/wayang-rates-XXXXXX";
static uint64_t next_worker = 1;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* From its word that it begins to its end. */
static double seconds_of(const wy_io_rates *io, const char *prepare, const char *script) {
    char text[400], byte;
    int out;
    wy_msg_worker_start asked = {.disk_bytes = SPACE, .io = *io};
    snprintf(text, sizeof text, "%s\necho begin; %s", prepare, script);
    driver_command(&d, next_worker, 1, &asked, &out, ARGV("/bin/sh", "-ec", text));
    CHECK(driver_expect(&d, WY_MSG_WORKER_STARTED));
    CHECK(read(out, &byte, 1) == 1);
    double begin = now();
    CHECK(driver_ends(&d, next_worker++, WY_EXIT_CODE, 0));
    close(out);
    return now() - begin;
}

/* `least`: what the slow one takes at its rate; a quarter of it is what the other one may. */
static void compare(const char *what, const wy_io_rates *slow, const wy_io_rates *fast, const char *prepare, const char *script, double least) {
    double slow_s = 0, fast_s = 0;
    for (int attempt = 0; attempt < ATTEMPTS && (attempt == 0 || slow_s < 2 * fast_s); attempt++) {
        slow_s = seconds_of(slow, prepare, script);
        fast_s = seconds_of(fast, prepare, script);
        printf("  %s: %.2f s, with four times the rate %.2f s: ratio %.1f\n", what, slow_s, fast_s, slow_s / fast_s);
        CHECK(slow_s > least);
        CHECK(fast_s > least / 5);
    }
    CHECK(slow_s > 2 * fast_s);
    check_done(what);
}

static void rates(void) {
    /* 4 MiB at 1 MiB/s; what may be used up front is the tenth of a second. */
    const wy_io_rates slow = {.write_bytes = MIB}, fast = {.write_bytes = 4 * MIB};
    compare("bytes written, past the page cache", &slow, &fast, "", WRITE_DIRECT, 3.5);
    compare("bytes written, with fsync", &slow, &fast, "", WRITE_SYNC, 3.5);
    const wy_io_rates slow_read = {.read_bytes = MIB}, fast_read = {.read_bytes = 4 * MIB};
    compare("bytes read", &slow_read, &fast_read, WRITE_SYNC, "dd if=/tmp/x of=/dev/null bs=256K iflag=direct 2>/dev/null", 3.5);
    const wy_io_rates slow_ops = {.write_ops = 25}, fast_ops = {.write_ops = 100};
    compare("operations that write", &slow_ops, &fast_ops, WRITE_SYNC, "dd if=/dev/zero of=/tmp/x bs=4K count=100 conv=notrunc oflag=direct 2>/dev/null", 3.5);
    const wy_io_rates slow_reads = {.read_ops = 25}, fast_reads = {.read_ops = 100};
    compare("operations that read", &slow_reads, &fast_reads, WRITE_SYNC, "dd if=/tmp/x of=/dev/null bs=4K count=100 iflag=direct 2>/dev/null", 3.5);
}

/* A process of this name stands in the kernel and takes no signal. */
static bool stands(const char *name) {
    char path[300], text[300], wanted[40];
    bool found = false;
    snprintf(wanted, sizeof wanted, "(%s) D", name);
    DIR *processes = opendir("/proc");
    for (struct dirent *entry = NULL; processes != NULL && !found && (entry = readdir(processes)) != NULL;) {
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        int fd = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
        if (fd >= 0) {
            close(fd);
        }
        text[got > 0 ? got : 0] = 0;
        found = strstr(text, wanted) != NULL;
    }
    if (processes != NULL) {
        closedir(processes);
    }
    return found;
}

/* 24 MiB at 64 KiB/s: six minutes, in one call that no signal interrupts. */
static void start_waiting(void) {
    wy_msg_worker_start asked = {.disk_bytes = SPACE, .io = {.write_bytes = WY_LEAST_IO_BYTES}};
    driver_command(&d, next_worker, 1, &asked, NULL, ARGV("/bin/sh", "-c", "dd if=/dev/zero of=/tmp/x bs=1M count=24 2>/dev/null; exec sync /tmp/x"));
    CHECK(driver_expect(&d, WY_MSG_WORKER_STARTED));
    bool waits = false;
    for (int i = 0; i < 2000 && !waits; i++) {
        waits = stands("sync");
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    CHECK(waits);
}

static void kills(void) {
    start_waiting();
    driver_signal(&d, next_worker, SIGKILL);
    CHECK(driver_ends(&d, next_worker++, WY_EXIT_KILLED, SIGKILL)); /* the driver waits for 20 s */
    check_done("one that waits for its turn can be killed");

    start_waiting();
    next_worker++;
    CHECK(driver_kill(&d) != 0);
    CHECK(driver_start(&d, "test-rates") && driver_command_image(&d, 1, "standard"));
    driver_command(&d, next_worker, 1, NULL, NULL, ARGV("/bin/true"));
    CHECK(driver_ends(&d, next_worker++, WY_EXIT_CODE, 0));
    check_done("a spawner that was killed beside one leaves nothing that its successor waits for");
}

static void refused(void) {
    wy_msg_worker_start asked = {.io = {.read_bytes = MIB}};
    driver_command(&d, next_worker++, 1, &asked, NULL, ARGV("/bin/true"));
    CHECK(driver_expect(&d, WY_MSG_REFUSED) && strstr(d.body.failure.text, "no rates of disk I/O") != NULL);
    check_done("where the host gives no rates, a start that asks for one is refused");
}

int main(void) {
    struct stat facts;
    if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) != 0 || wy_space_formatter() == NULL) {
        printf("skipped: needs root, loop devices and mkfs.ext4\n");
        return 77;
    }
    if (mkdtemp(directory) == NULL || stat(directory, &facts) != 0) {
        return 1;
    }
    d.space_dir = directory;
    CHECK(driver_start(&d, "test-rates") && (d.body.welcome.features & WY_FEATURE_DISK) != 0);
    bool given = (d.body.welcome.features & WY_FEATURE_IO) != 0;
    CHECK(driver_command_image(&d, 1, "standard"));
    if (!given) {
        refused();
    } else if (major(facts.st_dev) == 0) {
        printf("skip rates: /var/tmp lies on no disk\n");
    } else {
        rates();
        kills();
    }
    CHECK(driver_end(&d) == 0);
    rmdir(directory);
    return check_failures == 0 ? 0 : 1;
}
