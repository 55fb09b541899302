#include "sandbox/mounts.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLOSED_ATTRIBUTES (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

static const char *const device_names[] = {"null", "zero", "full", "random", "urandom"};
#define DEVICE_COUNT (sizeof device_names / sizeof device_names[0])

/* Detached copies of what the host lends, taken before anything covers the host's tree. */
typedef struct sources {
    int paths[WY_PROFILE_MAX_PATHS]; /* -1: optional and absent */
    int devices[DEVICE_COUNT];
    int own_root; /* of a profile that has one; with devices of its own */
    int own_devices[DEVICE_COUNT];
} sources;

static wy_status root_fail(wy_error *error, const char *what, const char *path) {
    int cause = errno;
    return wy_fail(error, WY_SYSTEM, cause, "root", "%s %.100s: %s", what, path, strerror(cause));
}

static wy_status take_devices(int *out, wy_error *error) {
    for (size_t i = 0; i < DEVICE_COUNT; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/dev/%s", device_names[i]);
        out[i] = wy_mount_copy(path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        if (out[i] < 0) {
            return root_fail(error, "cannot show the host's device", path);
        }
    }
    return WY_OK;
}

static wy_status take_sources(const wy_profile *profile, sources *out, wy_error *error) {
    for (uint32_t i = 0; i < profile->path_count; i++) {
        const wy_profile_path *path = &profile->paths[i];
        out->paths[i] = wy_mount_copy(path->path, CLOSED_ATTRIBUTES);
        if (out->paths[i] < 0 && !(path->optional && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR))) {
            return root_fail(error, "cannot show the host's path", path->path);
        }
    }
    return take_devices(out->devices, error);
}

static wy_status take_own_root(const wy_profile *profile, int lent, sources *out, wy_error *error) {
    if (profile->root[0] == '\0') {
        return WY_OK;
    }
    out->own_root = lent >= 0 ? lent : wy_mount_copy_alone(profile->root, CLOSED_ATTRIBUTES);
    if (out->own_root < 0 && errno == EINVAL) {
        return wy_fail(error, WY_DENIED, EINVAL, "root",
                       "the profile's root %.100s has file systems mounted below it, which are never shown; unmount them",
                       profile->root);
    }
    if (out->own_root < 0) {
        return root_fail(error, "cannot show the profile's root", profile->root);
    }
    return profile->overlay ? WY_OK : take_devices(out->own_devices, error);
}

/* Makes the parents of `path` (relative) and the mount point itself: a directory, or an empty file. */
static int make_mount_point(int root, const char *path, int is_directory) {
    char part[sizeof((wy_profile_path *)0)->path];
    size_t length = strlen(path);
    for (size_t i = 0; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            part[i] = path[i];
            continue;
        }
        part[i] = '\0';
        if (path[i] == '\0' && !is_directory) {
            int file = openat(root, part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444);
            return file < 0 ? -1 : close(file);
        }
        if (i > 0 && mkdirat(root, part, 0755) != 0 && errno != EEXIST) {
            return -1;
        }
        part[i] = '/';
    }
    return 0;
}

static int attach_source(int source, int root, const char *path) {
    struct stat facts;
    if (fstat(source, &facts) != 0 || make_mount_point(root, path, S_ISDIR(facts.st_mode)) != 0) {
        return -1;
    }
    return wy_mount_attach(source, root, path);
}

static wy_status attach_devices(const int *devices, int root, const char *directory, wy_error *error) {
    for (size_t i = 0; i < DEVICE_COUNT; i++) {
        char path[48];
        (void)snprintf(path, sizeof path, "%s/%s", directory, device_names[i]);
        if (attach_source(devices[i], root, path) != 0) {
            return root_fail(error, "cannot mount", path);
        }
        (void)close(devices[i]);
    }
    return WY_OK;
}

static wy_status link_devices(int root, const char *directory, wy_error *error) {
    static const char *const links[][2] = {
        {"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
        {"stderr", "/proc/self/fd/2"}, {"shm", "/tmp"}};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        char path[48];
        (void)snprintf(path, sizeof path, "%s/%s", directory, links[i][0]);
        if (symlinkat(links[i][1], root, path) != 0) {
            return root_fail(error, "cannot link", path);
        }
    }
    return WY_OK;
}

static wy_status attach_sources(const wy_profile *profile, const sources *from, int root, wy_error *error) {
    for (uint32_t i = 0; i < profile->path_count; i++) {
        if (from->paths[i] < 0) {
            continue;
        }
        if (attach_source(from->paths[i], root, profile->paths[i].path + 1) != 0) {
            return root_fail(error, "cannot mount", profile->paths[i].path);
        }
        (void)close(from->paths[i]);
    }
    return attach_devices(from->devices, root, "dev", error);
}

/* /bin -> usr/bin and the like, where the host has them so: paths inside programs rely on them. */
static wy_status copy_host_links(int root, wy_error *error) {
    static const char *const names[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char host[16], target[128];
        (void)snprintf(host, sizeof host, "/%s", names[i]);
        ssize_t length = readlink(host, target, sizeof target - 1);
        if (length <= 0) {
            continue;
        }
        target[length] = '\0';
        if (symlinkat(target, root, names[i]) != 0 && errno != EEXIST) {
            return root_fail(error, "cannot link", host);
        }
    }
    return WY_OK;
}

static int write_file(int root, const char *path, const char *text) {
    int file = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0444);
    if (file < 0) {
        return -1;
    }
    ssize_t written = write(file, text, strlen(text));
    return close(file) != 0 || written != (ssize_t)strlen(text) ? -1 : 0;
}

/* Names for the only uid, so that programs which ask who they are get an answer that tells nothing of the host. */
static wy_status write_names(int root, wy_error *error) {
    if ((mkdirat(root, "etc", 0755) != 0 && errno != EEXIST) ||
        (mkdirat(root, "run", 0755) != 0 && errno != EEXIST) || (mkdirat(root, "run/secrets", 0700) != 0 && errno != EEXIST) ||
        write_file(root, "etc/passwd", "wayang:x:1000:1000::/tmp:/bin/sh\n") != 0 ||
        write_file(root, "etc/group", "wayang:x:1000:\n") != 0) {
        return root_fail(error, "cannot write", "/etc or /run");
    }
    return link_devices(root, "dev", error);
}

static wy_status attach_new(int made, int root, const char *type, const char *path, wy_error *error) {
    if (made < 0 || wy_mount_attach(made, root, path) != 0) {
        return root_fail(
            error, strcmp(type, "proc") == 0 ? "cannot mount (does the host hide parts of its /proc?)" : "cannot mount",
            path);
    }
    (void)close(made);
    return WY_OK;
}

static wy_status make_point(int root, const char *path, wy_error *error) {
    return mkdirat(root, path, 0755) != 0 && errno != EEXIST ? root_fail(error, "cannot make", path) : WY_OK;
}

/* What the worker may write, of so many bytes. */
static wy_status mount_space(int root, const char *path, uint64_t bytes, wy_error *error) {
    wy_status status = make_point(root, path, error);
    return status != WY_OK ? status : attach_new(wy_mount_make_space(bytes, "1777", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV), root, "tmpfs", path, error);
}

static wy_status mount_new(int root, const char *type, const char *path, const char *const *options,
                           uint64_t attributes, wy_error *error) {
    wy_status status = make_point(root, path, error);
    return status != WY_OK ? status : attach_new(wy_mount_make(type, options, attributes), root, type, path, error);
}

/* The profile's own root with /dev, /proc and /tmp of ours over its own: where the zygote goes once its image is loaded.
 * The operator's directory is never written; that these three directories exist in it was checked with the policy. */
static wy_status build_own_root(const wy_profile *profile, const sources *from, int root, wy_error *error) {
    const char *const own = WY_OWN_ROOT + 1;
    const char *const dev_options[] = {"size", "64K", "nr_inodes", "64", "mode", "0755", NULL};
    if (profile->root[0] == '\0') {
        return WY_OK;
    }
    if (mkdirat(root, own, 0755) != 0 || wy_mount_attach(from->own_root, root, own) != 0) {
        return root_fail(error, "cannot mount the profile's root", profile->root);
    }
    (void)close(from->own_root);
    if (profile->overlay) {
        return WY_OK; /* each worker puts its own together over it: see overlay.c */
    }
    int devices = wy_mount_make("tmpfs", dev_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (devices < 0 || wy_mount_attach(devices, root, "image/dev") != 0) {
        return root_fail(error, "cannot mount /dev of the profile's root", profile->root);
    }
    wy_status status = attach_devices(from->own_devices, root, "image/dev", error);
    if (status == WY_OK) {
        status = link_devices(root, "image/dev", error);
    }
    if (status == WY_OK && wy_mount_restrict(devices, MOUNT_ATTR_RDONLY, 0) != 0) {
        status = root_fail(error, "cannot close /dev of the profile's root", profile->root);
    }
    (void)close(devices);
    if (status == WY_OK) {
        status = mount_new(root, "proc", "image/proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, error);
    }
    return status == WY_OK
               ? mount_space(root, "image/tmp", profile->tmpfs_bytes, error)
               : status;
}

wy_status wy_root_build(const wy_profile *profile, int lent, wy_error *error) {
    const char *const base_options[] = {"size", "1M", "nr_inodes", "1024", "mode", "0755", NULL};
    sources from;
    (void)umask(0);

    /* 1. Nothing that happens here travels to the host, nor the other way. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return root_fail(error, "cannot make private", "/");
    }
    /* 2. Take what the host lends, then mount an empty root over a directory that every host has. */
    wy_status status = take_sources(profile, &from, error);
    if (status == WY_OK) {
        status = take_own_root(profile, lent, &from, error);
    }
    if (status != WY_OK) {
        return status;
    }
    int root = wy_mount_make("tmpfs", base_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (root < 0 || wy_mount_attach(root, AT_FDCWD, "/tmp") != 0) {
        return root_fail(error, "cannot mount the root over", "/tmp");
    }
    /* 3. The profile's paths and the devices, 4. links and names, 5. /proc of our pid namespace, /tmp, a root of its own. */
    if ((status = attach_sources(profile, &from, root, error)) != WY_OK ||
        (status = copy_host_links(root, error)) != WY_OK || (status = write_names(root, error)) != WY_OK ||
        (status = mount_new(root, "proc", "proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                            error)) != WY_OK ||
        (status = mount_space(root, "tmp", profile->tmpfs_bytes, error)) != WY_OK ||
        (status = build_own_root(profile, &from, root, error)) != WY_OK) {
        return status;
    }
    /* 6. Read-only from here on; then in, and the host's tree is gone. */
    if (wy_mount_restrict(root, CLOSED_ATTRIBUTES, 0) != 0 || fchdir(root) != 0 || wy_mount_pivot_here() != 0) {
        return root_fail(error, "cannot pivot into", "the image's root");
    }
    (void)close(root);
    return WY_OK;
}

wy_status wy_root_empty(wy_error *error) {
    const char *const options[] = {"size", "4096", "nr_inodes", "2", "mode", "0555", NULL};
    /* A mount namespace of our own: the holder keeps the root with the libraries. */
    if (unshare(CLONE_NEWNS) != 0) {
        return root_fail(error, "cannot leave the mount namespace of", "the holder");
    }
    int root = wy_mount_make("tmpfs", options, CLOSED_ATTRIBUTES | MOUNT_ATTR_NOEXEC);
    if (root < 0 || wy_mount_attach(root, AT_FDCWD, "/tmp") != 0 || fchdir(root) != 0 || wy_mount_pivot_here() != 0) {
        return root_fail(error, "cannot pivot into", "an empty root");
    }
    (void)close(root);
    return WY_OK;
}

wy_status wy_root_enter_own(wy_error *error) {
    /* Its own mount namespace, and a copy: the mounts that the holder locked cannot become a root themselves. */
    if (unshare(CLONE_NEWNS) != 0) {
        return root_fail(error, "cannot leave the mount namespace of", "the holder");
    }
    int root = wy_mount_copy(WY_OWN_ROOT, 0);
    if (root < 0 || wy_mount_attach(root, AT_FDCWD, "/tmp") != 0 || fchdir(root) != 0 || wy_mount_pivot_here() != 0) {
        return root_fail(error, "cannot pivot into", "the profile's root");
    }
    (void)close(root);
    return WY_OK;
}
