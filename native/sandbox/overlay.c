/* A root that may be written: per worker, an overlay of the profile's own root and a sized file system, in memory or on the disk. */
#include "sandbox/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/mounts.h"

#define SPACE "/tmp" /* the same in the zygote's root and in the worker's */

static wy_status overlay_fail(wy_error *error, const char *what) {
    int cause = errno;
    return wy_fail(error, WY_SYSTEM, cause, "overlay", "%s: %s", what, strerror(cause));
}

/* Over /tmp, with a directory for each use; only `tmp` and, through the overlay, `upper` are ever seen by the worker. */
static int make_space(int given, uint64_t bytes) {
    static const char *const names[] = {"upper", "work", "root", "tmp"};
    int space = given >= 0 ? given : wy_mount_make_space(bytes, "0755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (space < 0 || wy_mount_attach(space, AT_FDCWD, SPACE) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (mkdirat(space, names[i], 0755) != 0) {
            return -1;
        }
    }
    return fchmodat(space, "upper", 0755, 0) == 0 && fchmodat(space, "tmp", 01777, 0) == 0 ? space : -1;
}

/* Attached at root/ of the space, so that it can become the root. Attributes of the worker's own user namespace's keeping
 * are "user." ones; a whiteout needs no capability. */
static int make_overlay(const char *lower) {
    const char *const layers[] = {"lowerdir", lower,       "upperdir",  SPACE "/upper", "workdir",
                                  SPACE "/work", "userxattr", "", NULL};
    int root = wy_mount_make("overlay", layers, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    return root >= 0 && wy_mount_attach(root, AT_FDCWD, SPACE "/root") == 0 ? root : -1;
}

/* Moves a mount to a directory of the root, whose existence was checked with the profile. */
static int put(int mount, int root, const char *name) {
    int failed = mount < 0 || wy_mount_attach(mount, root, name) != 0;
    int cause = errno;
    if (mount >= 0) {
        (void)close(mount);
    }
    errno = cause;
    return failed ? -1 : 0;
}

wy_status wy_overlay_enter(int given, uint64_t bytes, wy_error *error) {
    int space = make_space(given, bytes);
    if (space < 0) {
        return overlay_fail(error, "cannot make its space");
    }
    int root = make_overlay(WY_OWN_ROOT);
    if (root < 0) {
        return overlay_fail(error, "cannot mount it");
    }
    /* A new /proc is only given while one that hides nothing is in sight: before the old root goes. */
    if (put(wy_mount_copy("/dev", 0), root, "dev") != 0 || put(wy_mount_copy(SPACE "/tmp", 0), root, "tmp") != 0 ||
        put(wy_mount_make("proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC), root, "proc") != 0) {
        return overlay_fail(error, "cannot mount its /dev, /tmp and /proc");
    }
    if (fchdir(root) != 0 || wy_mount_pivot_here() != 0) {
        return overlay_fail(error, "cannot pivot into it");
    }
    (void)close(root);
    (void)close(space);
    return WY_OK;
}

int wy_overlay_prove(void) {
    int space = make_space(-1, 1048576);
    if (space < 0 || mkdirat(space, "lower", 0755) != 0) {
        return errno;
    }
    int below = openat(space, "lower/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    int root = below < 0 ? -1 : make_overlay(SPACE "/lower");
    int above = root < 0 ? -1 : openat(root, "file", O_WRONLY | O_APPEND | O_CLOEXEC);
    struct stat seen;
    if (above < 0 || write(above, "x", 1) != 1 || mkdirat(root, "made", 0755) != 0 || unlinkat(root, "file", 0) != 0 ||
        fstat(below, &seen) != 0) {
        return errno;
    }
    return seen.st_size == 0 ? 0 : EIO;
}
