#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper/keeper.h"

#define LOCK_NAME "keeper.lock"
#define SOCKET_NAME "wayang.sock"

/* Made or found; whoever may have prepared it under our feet (in /tmp) is told apart by owner and mode. */
static wy_status open_directory(const char *path, bool root, wy_runtime_dir *out, wy_error *error) {
    struct stat facts;
    out->made = mkdir(path, 0700) == 0;
    if (!out->made && errno != EEXIST) {
        return wy_fail(error, WY_SYSTEM, errno, "runtime-dir", "%.150s cannot be made", path);
    }
    out->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out->dir_fd < 0 || fstat(out->dir_fd, &facts) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "runtime-dir", "%.150s is no directory that can be opened", path);
    }
    if (root) {
        if (facts.st_uid != 0 && facts.st_uid != WY_DAEMON_UID) {
            return wy_fail(error, WY_DENIED, 0, "runtime-dir", "%.120s belongs to uid %u; remove it", path, facts.st_uid);
        }
        struct group *group = getgrnam("wayang");
        gid_t gid = group != NULL ? group->gr_gid : (gid_t)WY_DAEMON_UID;
        /* The set-group-id bit: what the daemon makes here belongs to the group of those who may call it. */
        if (fchown(out->dir_fd, WY_DAEMON_UID, gid) != 0 || fchmod(out->dir_fd, 02750) != 0) {
            return wy_fail(error, WY_SYSTEM, errno, "runtime-dir", "%.150s cannot be given to the daemon", path);
        }
        return WY_OK;
    }
    if (facts.st_uid != geteuid() || (facts.st_mode & 077) != 0) {
        return wy_fail(error, WY_DENIED, 0, "runtime-dir",
                       "%.100s is not yours alone; give another with --runtime-dir, or: chmod 700 and chown it", path);
    }
    return WY_OK;
}

/* Opens the lock file without ever touching what a hostile daemon may have put in its place. */
static int open_lock(int dir_fd, uid_t owner) {
    struct stat facts;
    int fd = openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd >= 0 && (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_nlink > 1 || facts.st_uid != owner)) {
        close(fd);
        errno = EPERM;
        return -1;
    }
    return fd;
}

static wy_status take_lock(const char *path, wy_runtime_dir *out, wy_error *error) {
    for (int attempt = 0; attempt < 16; attempt++) {
        struct stat held, named;
        char pid[16] = "unknown";
        int fd = open_lock(out->dir_fd, geteuid());
        if (fd < 0) {
            return wy_fail(error, WY_SYSTEM, errno, "runtime-dir", "%.150s/" LOCK_NAME " cannot be used", path);
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            ssize_t length = pread(fd, pid, sizeof pid - 1, 0);
            close(fd);
            if (length > 0) {
                pid[length] = 0;
            }
            return wy_fail(error, WY_DENIED, 0, "runtime-dir",
                           "a keeper (pid %.15s) already serves %.100s; use that one, or stop it first: kill %.15s", pid,
                           path, pid);
        }
        /* A keeper that ends removes the file: what we locked must still be the one that others will find. */
        if (fstat(fd, &held) != 0 || fstatat(out->dir_fd, LOCK_NAME, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
            held.st_ino != named.st_ino) {
            close(fd);
            continue;
        }
        int length = snprintf(pid, sizeof pid, "%d", (int)getpid());
        if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)length, 0) != length) {
            close(fd);
            return wy_fail(error, WY_SYSTEM, errno, "runtime-dir", "%.150s cannot be written", path);
        }
        out->lock_fd = fd;
        return WY_OK;
    }
    return wy_fail(error, WY_TIMEOUT, 0, "runtime-dir", "%.150s: others come and go too fast", path);
}

wy_status wy_runtime_dir_open(const char *path, bool root, wy_runtime_dir *out, wy_error *error) {
    out->dir_fd = out->lock_fd = -1;
    out->made = false;
    wy_status status = open_directory(path, root, out, error);
    if (status == WY_OK) {
        status = take_lock(path, out, error);
    }
    if (status == WY_OK) {
        unlinkat(out->dir_fd, SOCKET_NAME, 0); /* ours is the lock, so nobody listens there */
    } else if (out->dir_fd >= 0) {
        close(out->dir_fd);
        out->dir_fd = -1;
    }
    return status;
}

void wy_runtime_dir_close(const char *path, wy_runtime_dir *dir) {
    if (dir->dir_fd < 0) {
        return;
    }
    unlinkat(dir->dir_fd, SOCKET_NAME, 0);
    char install[300];
    snprintf(install, sizeof install, "%s/install", path);
    umount2(install, MNT_DETACH | UMOUNT_NOFOLLOW); /* with all that is bound below it */
    unlinkat(dir->dir_fd, "install", AT_REMOVEDIR);
    unlinkat(dir->dir_fd, LOCK_NAME, 0);
    close(dir->lock_fd);
    close(dir->dir_fd);
    dir->dir_fd = -1;
    rmdir(path); /* if nothing else is in it */
}
