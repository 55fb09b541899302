/* The policy that is shipped loads; a wrong one is refused with file, line and what is allowed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/profile.h"

#define CHECK(condition, what)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, what);                                  \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static const char sound_conf[] = "uid_first 100000\nuid_count 10\nmax_workers 5\nmax_images 2\ncgroup_parent wayang\n";
static const char sound_profile[] =
    "files 1\npids 4\nmemory 1M\ntmpfs 4K\nopen_files 16\npath /usr\nsyscalls one.syscalls\n";
static const char sound_rules[] = "default EPERM\nallow read reads\n";
static const char *const file_names[] = {"policy.conf", "one.profile", "one.syscalls", "zygote.syscalls"};

static char directory[64];

static void put(const char *name, const char *text, mode_t mode) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0, strerror(errno));
    (void)close(fd);
}

static void put_sound(void) {
    const char *const texts[] = {sound_conf, sound_profile, sound_rules, sound_rules};
    for (int i = 0; i < 4; i++) {
        put(file_names[i], texts[i], 0644);
    }
}

static void refuse(const char *name, const char *text, const char *told) {
    static wy_policy policy;
    wy_error error;
    put_sound();
    put(name, text, 0644);
    CHECK(wy_policy_load(directory, &policy, &error) != WY_OK, text);
    if (strstr(error.message, told) == NULL) {
        fprintf(stderr, "told: %s\nwanted: %s\n", error.message, told);
        exit(1);
    }
}

static void check_shipped(void) {
    static wy_policy policy;
    wy_error error = {0};
    CHECK(wy_policy_load(WY_TEST_POLICY, &policy, &error) == WY_OK, error.message);
    const wy_profile *compute = wy_policy_find(&policy, "compute"), *standard = wy_policy_find(&policy, "standard");
    CHECK(compute != NULL && standard != NULL && wy_policy_find(&policy, "none") == NULL, "profiles");
    CHECK(!compute->files && standard->files && policy.uid_first == 1900000001u, "values");
    CHECK(standard->zygote_filter.filter == policy.zygote_filter.filter, "the zygote's filter is lent to each profile");
    printf("shipped: compute %u, standard %u, zygote %u instructions\n", compute->filter.len, standard->filter.len,
           policy.zygote_filter.len);
    CHECK(wy_syscall_name(-1) == NULL && strcmp(wy_syscall_name(0), "") != 0, "names");
    wy_policy_free(&policy);
}

static void check_refusals(void) {
    refuse("policy.conf", "uid_first 0\n", "policy.conf:1: uid_first: a number from 1");
    refuse("policy.conf", "# c\n\nuid_first x\n", "policy.conf:3: uid_first");
    refuse("policy.conf", "uid_frist 1\n", "policy.conf:1: uid_frist: unknown; allowed: uid_first");
    refuse("policy.conf", "uid_first 1\n", "must be set");
    refuse("policy.conf", "cgroup_parent ../x\n", "cgroup_parent");
    refuse("one.profile", "path relative\n", "one.profile:1: path");
    refuse("one.profile", "path /usr/../etc\n", "one.profile:1: path");
    refuse("one.profile", "files 2\n", "files: a number from 0 to 1");
    refuse("one.profile", "memory 1X\n", "one.profile:1: memory");
    refuse("one.profile", "root relative\n", "one.profile:1: root: an absolute path");
    refuse("one.profile", "files 1\nroot /usr/../tmp\n", "one.profile:2: root: an absolute path");
    refuse("one.profile", "root /\n", "one.profile:1: root: an absolute path");
    refuse("one.profile", "root /tmp\n", "one.profile:1: root: /tmp: others may write it; remedy: chmod go-w");
    refuse("one.profile", "root /nonexistent/x\n", "one.profile:1: root: /nonexistent: No such file");
    refuse("one.profile", "root /proc/self/root\n", "one.profile:1: root: /proc/self: a symlink; name the directory itself");
    refuse("one.profile", "root /usr\n", "one.profile:1: root: /usr lacks the directory proc; remedy: mkdir proc in it");
    refuse("one.profile", "root /etc/passwd\n", "one.profile:1: root: /etc/passwd: Not a directory");
    refuse("one.profile", "syscalls ../one.syscalls\n", "without '/'");
    refuse("one.profile", "syscalls none.syscalls\n", "none.syscalls: No such file");
    refuse("one.profile", "files 1\n", "must be set");
    refuse("one.syscalls", "allow read\n", "one.syscalls:1: read: an allowed call needs its reason");
    refuse("one.syscalls", "allow raed reads\n", "one.syscalls:1: raed: no such system call");
    refuse("one.syscalls", "permit read x\n", "one.syscalls:1: permit: not an action");
    refuse("one.syscalls", "allow read a\nallow read b\n", "one.syscalls:2: read: a second rule");
    refuse("one.syscalls", "allow read if arg9=1 x\n", "one.syscalls:1: read: a condition reads");
    refuse("one.syscalls", "allow read if arg0=1|2|3|4|5 x\n", "one.syscalls:1: read: a condition reads");
    refuse("one.syscalls", "default allow\n", "one.syscalls:1: default");
    refuse("one.syscalls", "include one.syscalls\n", "at most 4 deep");
    printf("refused: 28 wrong files, each with file, line and what is allowed\n");
}

static void check_owner(void) {
    static wy_policy policy;
    wy_error error;
    put_sound();
    put("one.profile", sound_profile, 0664);
    CHECK(wy_policy_load(directory, &policy, &error) == WY_DENIED, "group-writable");
    CHECK(strstr(error.message, "chmod go-w") != NULL, error.message);
    put_sound();
    CHECK(wy_policy_load(directory, &policy, &error) == WY_OK, error.message);
    wy_policy_free(&policy);
    CHECK(chmod(directory, 0777) == 0 && wy_policy_load(directory, &policy, &error) == WY_DENIED, "open directory");
    CHECK(chmod(directory, 0755) == 0, "chmod");
    if (geteuid() == 0) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/one.syscalls", directory);
        CHECK(chown(path, 65534, 65534) == 0, strerror(errno));
        CHECK(wy_policy_load(directory, &policy, &error) == WY_DENIED, "someone else's file");
        CHECK(strstr(error.message, "owned by uid 65534") != NULL, error.message);
    }
    char path[128];
    (void)snprintf(path, sizeof path, "%s/one.syscalls", directory);
    CHECK(unlink(path) == 0 && symlink("zygote.syscalls", path) == 0, strerror(errno));
    CHECK(wy_policy_load(directory, &policy, &error) != WY_OK, "a symlink");
    printf("owner: writable, foreign and linked files are refused\n");
}

static void make(const char *name, mode_t mode) {
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    CHECK(mkdir(path, mode) == 0 || errno == EEXIST, strerror(errno));
    CHECK(chmod(path, mode) == 0, strerror(errno));
}

/* A profile whose workers' root is DIRECTORY/root; `extra` are further lines. Returns the status. */
static wy_status load_rooted(const char *extra, wy_policy *policy, wy_error *error) {
    char text[512];
    put_sound();
    (void)snprintf(text, sizeof text,
                   "files 1\npids 4\nmemory 1M\ntmpfs 4K\nopen_files 16\nsyscalls one.syscalls\nroot %s/root\n%s",
                   directory, extra);
    put("one.profile", text, 0644);
    return wy_policy_load(directory, policy, error);
}

static void check_root(void) {
    static wy_policy policy;
    wy_error error;
    static const char *const inner[] = {"root/tmp", "root/dev", "root/proc", "root"};
    for (int i = 3; i >= 0; i--) {
        make(inner[i], 0755);
    }
    CHECK(load_rooted("", &policy, &error) == WY_OK, error.message);
    const wy_profile *profile = wy_policy_find(&policy, "one");
    CHECK(strncmp(profile->root, directory, strlen(directory)) == 0 && profile->path_count > 0, "root and zygote's paths");
    wy_policy_free(&policy);
    CHECK(load_rooted("path /usr\n", &policy, &error) != WY_OK && strstr(error.message, "takes the place of the path") != NULL,
          error.message);
    CHECK(load_rooted("files 0\n", &policy, &error) != WY_OK && strstr(error.message, "needs: files 1") != NULL, error.message);
    CHECK(load_rooted("root /usr\n", &policy, &error) != WY_OK && strstr(error.message, "one.profile:8: root: may stand once"),
          error.message);
    make("root", 0775);
    CHECK(load_rooted("", &policy, &error) != WY_OK && strstr(error.message, "one.profile:7: root: ") != NULL &&
              strstr(error.message, "others may write it") != NULL, error.message);
    make("root", 0750);
    wy_status closed = load_rooted("", &policy, &error);
    CHECK(geteuid() == 0 ? closed != WY_OK && strstr(error.message, "chmod o+x") != NULL : closed == WY_OK, error.message);
    if (closed == WY_OK) {
        wy_policy_free(&policy);
    }
    make("root", 0755);
    if (geteuid() == 0) {
        char path[160];
        (void)snprintf(path, sizeof path, "%s/root", directory);
        CHECK(chown(path, 65534, 65534) == 0, strerror(errno));
        CHECK(load_rooted("", &policy, &error) != WY_OK && strstr(error.message, "owned by uid 65534") != NULL, error.message);
    }
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++) {
        char path[160];
        (void)snprintf(path, sizeof path, "%s/%s", directory, inner[i]);
        CHECK(rmdir(path) == 0, strerror(errno));
    }
    printf("root: a sound one is taken; a writable, closed, foreign, doubled or misplaced one is refused\n");
}

int main(void) {
    (void)snprintf(directory, sizeof directory, "/tmp/wayang-policy-test-XXXXXX");
    CHECK(mkdtemp(directory) != NULL && chmod(directory, 0755) == 0, strerror(errno));
    check_shipped();
    check_refusals();
    check_root();
    check_owner();
    for (int i = 0; i < 4; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", directory, file_names[i]);
        (void)unlink(path);
    }
    (void)rmdir(directory);
    return 0;
}
