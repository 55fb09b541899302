/* Writable space on the disk: its bound, its privacy, and that nothing of it is left, whoever is killed. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "driver.h"
#include "spawner/space.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define MIB (UINT64_C(1) << 20)

static driver d;
static char directory[64] = "/var/tmp/wayang-spaces-XXXXXX";

static bool is_ours(const char *device) {
    char path[300], text[300] = "";
    snprintf(path, sizeof path, "/sys/block/%s/loop/backing_file", device);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    return got > 0 && strncmp(text, directory, strlen(directory)) == 0;
}

/* Loop devices whose file lies in our directory. */
static unsigned devices(void) {
    unsigned count = 0;
    DIR *blocks = opendir("/sys/block");
    for (struct dirent *entry = NULL; blocks != NULL && (entry = readdir(blocks)) != NULL;) {
        count += strncmp(entry->d_name, "loop", 4) == 0 && is_ours(entry->d_name);
    }
    if (blocks != NULL) {
        closedir(blocks);
    }
    return count;
}

/* The kernel lets go of a device some time after its last user: within 20 s here. */
static bool devices_become(unsigned wanted) {
    for (int i = 0; i < 2000; i++) {
        if (devices() == wanted) {
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    printf("  %u devices of ours\n", devices());
    return false;
}

static bool directory_is_empty(void) {
    unsigned entries = 0;
    DIR *listing = opendir(directory);
    while (listing != NULL && readdir(listing) != NULL) {
        entries++;
    }
    return listing != NULL && closedir(listing) == 0 && entries == 2;
}

static void bound(void) {
    wy_msg_worker_start asked = {.memory_bytes = 48 * MIB, .disk_bytes = 96 * MIB};
    char text[400];
    int out;
    driver_command(&d, 1, 1, &asked, NULL, ARGV("/bin/dd", "if=/dev/zero", "of=/tmp/x", "bs=1M", "count=80"));
    CHECK(driver_ends(&d, 1, WY_EXIT_CODE, 0) && d.body.exited.flags == 0);
    driver_command(&d, 2, 1, &asked, NULL, ARGV("/bin/dd", "if=/dev/zero", "of=/tmp/x", "bs=1M", "count=200"));
    CHECK(driver_ends(&d, 2, WY_EXIT_CODE, 1) && d.body.exited.flags == WY_EXIT_DISK_FULL);
    check_done("more than its memory can be written, and no more than its space; a full one is told");

    driver_command(&d, 3, 1, &asked, &out, ARGV("/bin/sh", "-c", "ls -A /tmp | wc -l; stat -c '%u %a' /tmp; echo x > /tmp/f; cat /tmp/f; mkdir /tmp/d; rm -r /tmp/d; grep -c ' /tmp ext4 rw,nosuid,nodev' /proc/mounts"));
    CHECK(driver_ends(&d, 3, WY_EXIT_CODE, 0));
    read_all(out, text, sizeof text);
    CHECK(strcmp(text, "0\n1000 1777\nx\n1\n") == 0);
    check_done("it is empty, the worker's own, and without setuid programs and devices");

    driver_command(&d, 4, 1, &asked, NULL, ARGV("/bin/sh", "-c", "i=0; while : > /tmp/$i; do i=$((i+1)); done; exit 3"));
    CHECK(driver_ends(&d, 4, WY_EXIT_CODE, 2) || d.body.exited.value == 3);
    CHECK(d.body.exited.flags == WY_EXIT_DISK_FULL);
    check_done("the number of files is bounded");
}

/* The next one of the same size comes out of what was made ahead. */
static void many(void) {
    wy_msg_worker_start asked = {.disk_bytes = 32 * MIB};
    for (uint64_t i = 0; i < 12; i++) {
        driver_command(&d, 100 + i, 1, &asked, NULL, ARGV("/bin/sh", "-c", "test -z \"$(ls -A /tmp)\" && echo secret > /tmp/secret"));
    }
    unsigned good = 0;
    for (int i = 0; i < 12; i++) {
        good += driver_expect(&d, WY_MSG_WORKER_EXITED) && d.body.exited.kind == WY_EXIT_CODE && d.body.exited.value == 0;
    }
    CHECK(good == 12);
    CHECK(directory_is_empty());
    CHECK(devices_become(2)); /* the ones that are kept ready: of this size and of the one before */
    check_done("many at once: each has its own, none has a name on the host, none is left");
}

/* One for each 16 KiB, in memory and on the disk, where the file system rounds up. */
static void files(void) {
    wy_msg_worker_start asked = {.disk_bytes = 0};
    driver_command(&d, 190, 1, &asked, NULL,
                   ARGV("/bin/sh", "-c", "all=$(($(stat -f -c '%b * %S' /tmp) / 16384)); test $all -gt 1024 -a $all -lt 65536 -a $(stat -f -c %c /tmp) -eq $all"));
    CHECK(driver_ends(&d, 190, WY_EXIT_CODE, 0));
    asked.disk_bytes = 64 * MIB;
    driver_command(&d, 191, 1, &asked, NULL, ARGV("/bin/sh", "-c", "files=$(stat -f -c %c /tmp); test $files -ge 4096 -a $files -le 4608"));
    CHECK(driver_ends(&d, 191, WY_EXIT_CODE, 0));
    check_done("room for one file for each 16 KiB");
}

static void refused(void) {
    wy_msg_worker_start asked = {.disk_bytes = WY_SPACE_LEAST_BYTES - 1};
    driver_command(&d, 200, 1, &asked, NULL, ARGV("/bin/true"));
    CHECK(driver_expect(&d, WY_MSG_REFUSED) && strstr(d.body.failure.text, "at least") != NULL);
    asked.disk_bytes = 65536 * MIB + 4096;
    driver_command(&d, 201, 1, &asked, NULL, ARGV("/bin/true"));
    CHECK(driver_expect(&d, WY_MSG_REFUSED) && strstr(d.body.failure.text, "allows") != NULL);
    asked.disk_bytes = UINT64_MAX;
    driver_command(&d, 202, 1, &asked, NULL, ARGV("/bin/true"));
    CHECK(driver_expect(&d, WY_MSG_REFUSED));
    check_done("too little, too much");

    struct statvfs facts;
    CHECK(statvfs(directory, &facts) == 0);
    uint64_t room = (uint64_t)facts.f_bavail * facts.f_frsize / MIB, workers = room / 60000 + 1;
    if (workers > 8) {
        printf("skip promises: the disk has room for them all\n");
        return;
    }
    asked.disk_bytes = 60000 * MIB;
    for (uint64_t i = 0; i < workers; i++) { /* the last one is too many */
        driver_command(&d, 210 + i, 1, &asked, NULL, ARGV("/bin/sleep", "1000"));
        CHECK(driver_expect(&d, i + 1 < workers ? WY_MSG_WORKER_STARTED : WY_MSG_WORKER_EXITED));
    }
    CHECK(d.body.exited.kind == WY_EXIT_NOT_STARTED && strstr(d.body.exited.text, "promised") != NULL);
    for (uint64_t i = 0; i + 1 < workers; i++) {
        driver_signal(&d, 210 + i, SIGKILL);
        CHECK(driver_ends(&d, 210 + i, WY_EXIT_KILLED, SIGKILL));
    }
    check_done("no more is promised than the disk has");
}

static pid_t child_called(const char *name) {
    char path[64], text[4096], comm[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)d.pid, (int)d.pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    close(fd);
    text[got > 0 ? got : 0] = 0;
    for (char *at = text, *end; *at != 0; at = end) {
        pid_t pid = (pid_t)strtol(at, &end, 10);
        if (end == at) {
            break;
        }
        snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        got = fd >= 0 ? read(fd, comm, sizeof comm - 1) : 0;
        close(fd);
        comm[got > 0 ? got : 0] = 0;
        if (strncmp(comm, name, strlen(name)) == 0) {
            return pid;
        }
    }
    return 0;
}

/* Writes 64 MiB and more for as long as it lives. */
static void start_writer(uint64_t worker) {
    wy_msg_worker_start asked = {.disk_bytes = 512 * MIB};
    char byte;
    int out;
    driver_command(&d, worker, 1, &asked, &out,
                   ARGV("/bin/sh", "-c", "dd if=/dev/zero of=/tmp/x bs=1M count=64 2>/dev/null; echo written; while :; do dd if=/dev/zero of=/tmp/y bs=1M count=64 2>/dev/null; done"));
    CHECK(driver_expect(&d, WY_MSG_WORKER_STARTED) && d.body.started.worker_id == worker);
    CHECK(read(out, &byte, 1) == 1);
    close(out);
}

static void kills(void) {
    start_writer(300);
    CHECK(devices() >= 1);
    pid_t worker = d.body.started.pid;
    wy_msg_scan scan = {0};
    driver_send(&d, WY_MSG_SCAN, &scan, sizeof scan, NULL, 0);
    CHECK(driver_receive(&d) && d.type == WY_MSG_SCAN_DONE); /* and no finding before it */
    check_done("a scan knows it as the worker's own");
    CHECK(kill(worker, SIGKILL) == 0);
    CHECK(driver_ends(&d, 300, WY_EXIT_LOST, -1));
    check_done("a worker that is killed from outside");

    start_writer(301);
    pid_t maker = child_called("wayang-space");
    CHECK(maker > 0 && kill(maker, SIGKILL) == 0);
    driver_signal(&d, 301, SIGKILL);
    CHECK(driver_ends(&d, 301, WY_EXIT_KILLED, SIGKILL));
    wy_msg_worker_start asked = {.disk_bytes = 40 * MIB};
    driver_command(&d, 302, 1, &asked, NULL, ARGV("/bin/true"));
    CHECK(driver_ends(&d, 302, WY_EXIT_CODE, 0));
    check_done("the maker that is killed is started again");

    start_writer(303);
    CHECK(driver_kill(&d) != 0);
    CHECK(devices_become(0) && directory_is_empty());
    check_done("a spawner that is killed leaves no device and no file");
}

int main(void) {
    if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) != 0 || wy_space_formatter() == NULL) {
        printf("skipped: needs root, loop devices and mkfs.ext4\n");
        return 77;
    }
    if (mkdtemp(directory) == NULL) {
        return 1;
    }
    d.space_dir = directory;
    CHECK(driver_start(&d, "test-spaces") && (d.body.welcome.features & WY_FEATURE_DISK) != 0);
    CHECK(driver_command_image(&d, 1, "standard"));
    bound();
    many();
    files();
    refused();
    CHECK(driver_end(&d) == 0 && devices_become(0) && directory_is_empty());
    check_done("an orderly end leaves nothing");
    CHECK(driver_start(&d, "test-spaces") && driver_command_image(&d, 1, "standard"));
    kills();
    rmdir(directory);
    return check_failures == 0 ? 0 : 1;
}
