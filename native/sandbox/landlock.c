#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the oldest headers that we build with. */
#define FS_V1 ((UINT64_C(1) << 13) - 1)
#define FS_REFER (UINT64_C(1) << 13)
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define FS_IOCTL_DEV (UINT64_C(1) << 15)
#define FS_READ (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define NET_TCP UINT64_C(3)
#define SCOPES UINT64_C(3)

typedef struct ruleset {
    uint64_t files, network, scoped;
} ruleset;

int wy_landlock_abi(void) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : (int)abi;
}

static int allow_below(int rules, const char *path, uint64_t access) {
    int directory = open(path, O_PATH | O_CLOEXEC);
    if (directory < 0) {
        return -1;
    }
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = directory};
    long added = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    int cause = errno;
    (void)close(directory);
    errno = cause;
    return added == 0 ? 0 : -1;
}

wy_status wy_landlock_enter(int abi, int files, int network, wy_error *error) {
    if (abi <= 0) {
        return WY_OK;
    }
    ruleset handled = {.files = FS_V1};
    handled.files |= abi >= 2 ? FS_REFER : 0;
    handled.files |= abi >= 3 ? FS_TRUNCATE : 0;
    handled.files |= abi >= 5 ? FS_IOCTL_DEV : 0;
    handled.network = abi >= 4 && !network ? NET_TCP : 0;
    handled.scoped = abi >= 6 ? SCOPES : 0;
    size_t known = abi >= 6 ? sizeof handled : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, known, 0);
    if (rules < 0) {
        return wy_fail(error, WY_SYSTEM, errno, "landlock", "cannot make a ruleset: %s", strerror(errno));
    }
    int failed = 0;
    if (files) {
        failed = allow_below(rules, "/", files == WY_LANDLOCK_ALL ? handled.files : FS_READ) != 0 || allow_below(rules, "/tmp", handled.files) != 0 ||
                 allow_below(rules, "/dev",
                             FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | (handled.files & FS_IOCTL_DEV) |
                                 (handled.files & FS_TRUNCATE)) != 0;
    }
    failed = failed || syscall(SYS_landlock_restrict_self, rules, 0) != 0;
    int cause = errno;
    (void)close(rules);
    return failed ? wy_fail(error, WY_SYSTEM, cause, "landlock", "cannot restrict: %s", strerror(cause)) : WY_OK;
}
