/* Commands that crun runs: the same ends, limits and closedness as in our own sandbox, and nothing left. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check.h"
#include "driver.h"
#include "oci/runtime.h"

#ifndef WY_TEST_ESCAPE
#define WY_TEST_ESCAPE "/bin/true"
#endif
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SH(text) ARGV("/bin/sh", "-c", text)

static driver d;
static char directory[64] = "/var/tmp/wayang-oci-XXXXXX", lent[96];

/* Some of the host's programs with their libraries. */
static bool make_root(void) {
    char script[1024];
    snprintf(script, sizeof script,
             "set -e; chmod 755 %s; R=%s/root; mkdir -p $R/bin $R/etc $R/proc $R/dev $R/tmp; echo own > $R/etc/name; mknod -m 666 $R/etc/zero c 1 5; "
             "for p in sh ls cat id rm mkdir sleep grep dd tail; do f=$(readlink -f $(command -v $p || echo /bin/$p)); cp $f $R/bin/$p; "
             "for l in $(ldd $f | grep -o '/[^ ]*'); do mkdir -p $R$(dirname $l); cp -L $l $R$l; done; done; cp %s $R/bin/escape; chmod -R go-w,a+rX $R; chmod 666 $R/etc/zero",
             directory, directory, WY_TEST_ESCAPE);
    int result = system(script);
    return result == 0;
}

static bool define(const char *name, uint32_t runtime, uint32_t overlay) {
    wy_msg_profile_define wish = {.network = UINT32_MAX, .runtime = runtime, .overlay = overlay};
    fill_name(wish.name, name);
    fill_name(wish.base, "standard");
    fill_name(wish.root, "tools");
    driver_send(&d, WY_MSG_PROFILE_DEFINE, &wish, sizeof wish, NULL, 0);
    return runtime == WY_RUNTIME_CRUN || driver_expect(&d, WY_MSG_REFUSED);
}

static bool says(uint64_t worker, const wy_msg_worker_start *limits, const char *script, const char *wanted) {
    char text[4096];
    int out;
    driver_command(&d, worker, 1, limits, &out, SH(script));
    bool good = driver_ends(&d, worker, WY_EXIT_CODE, 0);
    read_all(out, text, sizeof text);
    if (strcmp(text, wanted) != 0) {
        printf("  worker %llu said \"%s\", expected \"%s\"\n", (unsigned long long)worker, text, wanted);
        return false;
    }
    return good;
}

static void ends_as_ever(void) {
    CHECK(says(1, NULL, "echo from inside; cat /etc/name; pwd", "from inside\nown\n/tmp\n"));
    driver_command(&d, 2, 1, NULL, NULL, SH("exit 42"));
    CHECK(driver_ends(&d, 2, WY_EXIT_CODE, 42));
    driver_command(&d, 3, 1, NULL, NULL, SH("sh -c 'kill -SEGV $$'; exit $?"));
    CHECK(driver_ends(&d, 3, WY_EXIT_SIGNAL, SIGSEGV));
    driver_command(&d, 4, 1, NULL, NULL, ARGV("/bin/sleep", "1000"));
    CHECK(driver_expect(&d, WY_MSG_WORKER_STARTED));
    driver_signal(&d, 4, SIGKILL);
    CHECK(driver_ends(&d, 4, WY_EXIT_KILLED, SIGKILL));
    int out;
    char byte;
    driver_command(&d, 5, 1, NULL, &out, SH("trap 'exit 7' TERM; echo x; while :; do sleep 1 & wait; done"));
    CHECK(driver_expect(&d, WY_MSG_WORKER_STARTED) && read(out, &byte, 1) == 1);
    driver_signal(&d, 5, SIGTERM);
    CHECK(driver_ends(&d, 5, WY_EXIT_CODE, 7));
    close(out);
    check_done("output, exit code, signal, kill, and a signal that the command handles");
}

static void closed(void) {
    CHECK(says(10, NULL, "grep -Ec '^Cap.*0000000000000000' /proc/self/status; grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status; ls /; ls /proc | grep -c '^[0-9]'",
               "5\nNoNewPrivs:\t1\nSeccomp:\t2\nbin\ndev\netc\nlib\nlib64\nproc\ntmp\n3\n"));
    CHECK(says(11, NULL, "echo x > /etc/name; cat /etc/name; mkdir /a; ls -d /a; echo t > /tmp/t; cat /tmp/t", "x\n/a\nt\n"));
    CHECK(says(12, NULL, "cat /etc/name; ls /a /tmp 2>/dev/null; true", "own\n/tmp:\n"));
    CHECK(says(13, NULL, "for f in /proc/1/root/etc/shadow /etc/shadow /proc/kcore; do cat $f 2>/dev/null && echo went; done; echo x > /proc/sys/kernel/core_pattern; echo all", "all\n"));
    CHECK(says(15, NULL, "dd if=/etc/zero of=/tmp/x bs=1 count=1 2>/dev/null || echo refused; dd if=/dev/zero of=/tmp/x bs=1 count=1 2>/dev/null && echo own", "refused\nown\n"));
    driver_command(&d, 14, 1, NULL, NULL, SH("grep -c . /proc/net/dev | grep -qx 3")); /* two lines of heading, and lo */
    CHECK(driver_ends(&d, 14, WY_EXIT_CODE, 0));
    check_done("no capability, the filter, namespaces; its root is its own to change, and nobody else's");
}

/* Conditions on arguments compare what the kernel uses of them; what is dangerous ends the task. */
static void filtered(void) {
    if (strcmp(WY_TEST_ESCAPE, "/bin/true") == 0) {
        printf("skip the filter: the attempts were not built\n");
        return;
    }
    CHECK(says(16, NULL, "/bin/escape tiocsti; /bin/escape tiocsti_high_bits; /bin/escape clone_user; ls /proc/self/fd > /dev/null && echo on",
               "tiocsti EPERM\ntiocsti_high_bits EPERM\nclone_user EPERM\non\n"));
    driver_command(&d, 17, 1, NULL, NULL, ARGV("/bin/escape", "mount_new"));
    CHECK(driver_ends(&d, 17, WY_EXIT_SIGNAL, SIGSYS));
    check_done("the profile's system calls, with their conditions");
}

static void limits(uint32_t features) {
    wy_msg_worker_start small = {.memory_bytes = 48 << 20, .tmpfs_bytes = 8 << 20, .pids = 12};
    if (features & WY_FEATURE_MEMORY_GROUP) {
        driver_command(&d, 20, 1, &small, NULL, ARGV("/bin/tail", "/dev/zero"));
        CHECK(driver_ends(&d, 20, WY_EXIT_OOM, -1) && d.body.exited.peak_memory_bytes > (24 << 20));
    }
    driver_command(&d, 21, 1, &small, NULL, ARGV("/bin/dd", "if=/dev/zero", "of=/tmp/x", "bs=64k", "count=1000"));
    CHECK(driver_ends(&d, 21, WY_EXIT_CODE, 1) && d.body.exited.flags == WY_EXIT_DISK_FULL);
    driver_command(&d, 22, 1, &small, NULL, ARGV("/bin/dd", "if=/dev/zero", "of=/bin/x", "bs=64k", "count=1000"));
    CHECK(driver_ends(&d, 22, WY_EXIT_CODE, 1) && d.body.exited.flags == WY_EXIT_DISK_FULL);
    driver_command(&d, 23, 1, &small, NULL, SH("i=0; while [ $i -lt 40 ]; do sleep 100 & i=$((i+1)); done"));
    CHECK(driver_expect(&d, WY_MSG_WORKER_EXITED) && d.body.exited.worker_id == 23 && d.body.exited.value != 0);
    check_done("memory, space and processes are bounded");
}

/* writable: tmp */
static void read_only(void) {
    char text[256];
    int out;
    CHECK(define("closed", WY_RUNTIME_CRUN, 0) && driver_command_image(&d, 2, "closed"));
    driver_command(&d, 40, 2, NULL, &out, SH("cat /etc/name; echo x > /etc/name; echo t > /tmp/t; cat /etc/name /tmp/t; dd if=/etc/zero of=/tmp/x bs=1 count=1 || echo refused"));
    CHECK(driver_ends(&d, 40, WY_EXIT_CODE, 0));
    read_all(out, text, sizeof text);
    CHECK(strcmp(text, "own\nown\nt\nrefused\n") == 0);
    check_done("a root that may not be written");
}

static void refused(void) {
    CHECK(define("with-runc", WY_RUNTIME_RUNC, 1) && strstr(d.body.failure.text, "runc moves") != NULL);
    if (wy_runtime_program(WY_RUNTIME_RUNSC) == NULL) {
        CHECK(define("with-runsc", WY_RUNTIME_RUNSC, 1) && strstr(d.body.failure.text, "runsc is not installed") != NULL);
    }
    CHECK(define("with-none", 99, 1));
    check_done("a runtime that is not there, or not possible, is refused by name");
}

/* Nothing of a bundle is seen outside: no state, no container, no mount. */
static void nothing_left(void) {
    char command[256];
    snprintf(command, sizeof command, "! grep -q %s /proc/self/mounts && test -z \"$(ls /run/crun 2>/dev/null)\" && ! ls /tmp/bundle >/dev/null 2>&1", directory);
    int result = system(command);
    CHECK(result == 0);
}

int main(int argc, char **argv) {
    (void)argc;
    (void)argv;
    if (geteuid() != 0 || wy_runtime_program(WY_RUNTIME_CRUN) == NULL) {
        printf("skipped: needs root and crun\n");
        return 77;
    }
    if (mkdtemp(directory) == NULL || !make_root()) {
        return 1;
    }
    snprintf(lent, sizeof lent, "tools=%s/root", directory);
    d.root = lent;
    CHECK(driver_start(&d, "test-oci"));
    uint32_t features = d.body.welcome.features;
    CHECK(define("contained", WY_RUNTIME_CRUN, 1) && driver_command_image(&d, 1, "contained"));
    ends_as_ever();
    closed();
    filtered();
    limits(features);
    read_only();
    refused();
    driver_command(&d, 30, 1, NULL, NULL, ARGV("/bin/sleep", "1000"));
    CHECK(driver_expect(&d, WY_MSG_WORKER_STARTED));
    CHECK(driver_kill(&d) != 0);
    nothing_left();
    check_done("a spawner that is killed leaves nothing of a container");
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command) == 0 && check_failures == 0 ? 0 : 1;
}
