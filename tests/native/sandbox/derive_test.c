/* Profiles that are derived from the shipped ones: each may take away, none may add. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "sandbox/derive.h"
#include "sandbox/filter.h"

static wy_policy policy;

static wy_derivation wish_of(const char *name, const char *base) {
    return (wy_derivation){.name = name, .base = base, .network = WY_NETWORK_KEEP};
}

static int derives(const wy_derivation *wish) {
    wy_error error = {0};
    return wy_policy_derive(&policy, wish, &error) == WY_OK;
}

/* Refused with a sentence that holds `told`, and the policy is as it was. */
static int refuses(const wy_derivation *wish, const char *told) {
    wy_error error = {0};
    uint32_t before = policy.profile_count;
    wy_status status = wy_policy_derive(&policy, wish, &error);
    if (status != WY_OK && strstr(error.message, told) == NULL) {
        (void)dprintf(1, "  told: %s\n", error.message);
    }
    return status != WY_OK && policy.profile_count == before && strstr(error.message, told) != NULL;
}

static void numbers(void) {
    const wy_profile *standard = wy_policy_find(&policy, "standard");
    wy_derivation tight = wish_of("tight", "standard");
    tight.memory_bytes = standard->memory_bytes / 2;
    tight.pids = standard->pids;
    CHECK(derives(&tight));
    const wy_profile *out = wy_policy_find(&policy, "tight");
    CHECK(out != NULL && out->memory_bytes == tight.memory_bytes && out->pids == standard->pids && out->open_files == standard->open_files);
    CHECK(out != NULL && out->path_count == standard->path_count && out->network == standard->network);

    wy_derivation wide = wish_of("wide", "standard");
    wide.memory_bytes = standard->memory_bytes + 1;
    CHECK(refuses(&wide, "memory"));
    wide = wish_of("wide", "standard");
    wide.open_files = standard->open_files + 1;
    CHECK(refuses(&wide, "open_files"));
    wide = wish_of("wide", "tight"); /* what its base gave up it does not get back */
    wide.memory_bytes = standard->memory_bytes;
    CHECK(refuses(&wide, "memory"));
    wide = wish_of("tight", "standard");
    CHECK(refuses(&wide, "in use"));
    wide = wish_of("wide", "nosuch");
    CHECK(refuses(&wide, "nosuch"));
    check_done("numbers go down only, and a name is used once");
}

static void networks(void) {
    wy_derivation more = wish_of("more", "standard");
    more.network = WY_NETWORK_LOOPBACK;
    CHECK(refuses(&more, "network"));
    more.network = WY_NETWORK_HOST;
    CHECK(refuses(&more, "network"));
    wy_derivation less = wish_of("less", "network");
    less.network = WY_NETWORK_NONE;
    CHECK(derives(&less));
    const wy_profile *out = wy_policy_find(&policy, "less");
    CHECK(out != NULL && out->network == WY_NETWORK_NONE && out->destination_count == 0 && out->own_network);
    check_done("networks shrink only, and take their destinations along");
}

static void paths(void) {
    static const char *const wrong[] = {"/etc", "/usrx", "/", "usr/lib", "/usr/../etc", "/usr/./lib", "/usr//lib", "/usr/lib/", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        wy_derivation wish = wish_of("paths", "standard");
        wish.path_count = 1;
        wish.paths = &wrong[i];
        CHECK(refuses(&wish, "paths"));
    }
    static const char *const right[] = {"/usr/lib", "/bin"};
    wy_derivation wish = wish_of("paths", "standard");
    wish.path_count = 2;
    wish.paths = right;
    CHECK(derives(&wish));
    const wy_profile *out = wy_policy_find(&policy, "paths");
    CHECK(out != NULL && out->path_count == 2 && strcmp(out->paths[0].path, "/usr/lib") == 0 && !out->paths[0].optional);
    CHECK(out != NULL && out->paths[1].optional); /* as its base has it */
    check_done("paths are the base's or below them, in plain form");
}

/* What a filter answers to a call of this machine, of the statements that derivation writes ahead of the base's. */
static uint32_t first_answer(const wy_profile *profile, int number, size_t base_length) {
    size_t ahead = profile->filter.len - base_length;
    for (size_t i = 1; i + 1 < ahead; i += 2) {
        if (profile->filter.filter[i].k == (uint32_t)number) {
            return profile->filter.filter[i + 1].k;
        }
    }
    return SECCOMP_RET_ALLOW; /* none: the base's statements judge */
}

static void calls(void) {
    static const char *const denied[] = {"openat", "socketpair"}, *const unknown[] = {"nosuchcall"}, *const never[] = {"reboot"};
    const wy_profile *standard = wy_policy_find(&policy, "standard");
    wy_derivation wish = wish_of("calls", "standard");
    wish.denied_count = 1;
    wish.denied = unknown;
    CHECK(refuses(&wish, "nosuchcall"));
    wish.denied = never; /* a violation stays one */
    CHECK(refuses(&wish, "reboot"));
    wish.denied = denied;
    CHECK(derives(&wish));
    const wy_profile *out = wy_policy_find(&policy, "calls");
    int openat = wy_syscall_number("openat");
    CHECK(out != NULL && first_answer(out, openat, standard->filter.len) != SECCOMP_RET_ALLOW);
    CHECK(out != NULL && first_answer(out, wy_syscall_number("read"), standard->filter.len) == SECCOMP_RET_ALLOW);
    CHECK(out != NULL && (out->allowed[openat / 64] >> (openat % 64) & 1) == 0);
    CHECK(out != NULL && memcmp(out->filter.filter + (out->filter.len - standard->filter.len), standard->filter.filter,
                                standard->filter.len * sizeof *standard->filter.filter) == 0);
    check_done("calls are taken away in front of the base's filter, which stays whole");
}

/* Only what was lent by name is a root, and only where it can be one. */
static void roots(void) {
    char good[512], directory[] = "/tmp/wayang-derive-XXXXXX", path[512];
    wy_error error = {0};
    CHECK(mkdtemp(directory) != NULL && chmod(directory, 0755) == 0);
    static const char *const needed[] = {"proc", "dev", "tmp"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, needed[i]);
        CHECK(mkdir(path, 0755) == 0);
    }
    (void)snprintf(good, sizeof good, "good=%s", directory);
    CHECK(wy_policy_lend(&policy, "noname", &error) != WY_OK && wy_policy_lend(&policy, "=/x", &error) != WY_OK);
    CHECK(wy_policy_lend(&policy, "a/b=/x", &error) != WY_OK);
    CHECK(wy_policy_lend(&policy, good, &error) == WY_OK && wy_policy_lend(&policy, "gone=/nonexistent", &error) == WY_OK);

    wy_derivation wish = wish_of("rooted", "standard");
    wish.overlay = 1;
    wish.root = "other";
    CHECK(refuses(&wish, "no directory was lent as \"other\""));
    wish.root = directory; /* a path is no name */
    CHECK(refuses(&wish, "no directory was lent"));
    wish.root = "gone";
    CHECK(refuses(&wish, "No such file"));
    wish.root = "good";
    CHECK(chmod(directory, 0777) == 0 && refuses(&wish, "others may write it") && chmod(directory, 0755) == 0);
    static const char *const usr[] = {"/usr"};
    wish.path_count = 1;
    wish.paths = usr;
    CHECK(refuses(&wish, "no path is shown"));
    wish.path_count = 0;
    wish.base = "compute";
    CHECK(refuses(&wish, "no files"));
    wish.base = "standard";
    CHECK(derives(&wish));
    const wy_profile *out = wy_policy_find(&policy, "rooted");
    CHECK(out != NULL && strcmp(out->root, directory) == 0 && out->overlay == 0); /* this host was not asked for overlays */
    policy.overlays = 1;
    wish.name = "written";
    CHECK(derives(&wish) && wy_policy_find(&policy, "written")->overlay == 1);
    wish.name = "again";
    wish.base = "rooted";
    CHECK(refuses(&wish, "a root of its own"));
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, needed[i]);
        (void)rmdir(path);
    }
    (void)rmdir(directory);
    check_done("a root is one that was lent, by its name, and judged when it is taken");
}

int main(void) {
    wy_error error = {0};
    CHECK(wy_policy_load(WY_TEST_POLICY, &policy, &error) == WY_OK);
    numbers();
    networks();
    paths();
    calls();
    roots();
    wy_policy_free(&policy);
    return check_failures == 0 ? 0 : 1;
}
