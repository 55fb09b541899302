#include "sandbox/own_root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/profile.h"

typedef struct judgement {
    char *why;
    size_t capacity;
} judgement;

static int refuse(const judgement *judge, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(const judgement *judge, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(judge->why, judge->capacity, format, arguments);
    va_end(arguments);
    return -1;
}

/* Absolute, not "/" itself, every part a name: no "//", ".", "..", trailing '/'. */
static int is_plain(const char *path) {
    if (path[0] != '/' || path[1] == '\0' || strlen(path) >= WY_PROFILE_ROOT_BYTES) {
        return 0;
    }
    for (const char *part = path; part != NULL; part = strchr(part + 1, '/')) {
        size_t length = strcspn(part + 1, "/");
        if (length == 0 || (length == 1 && part[1] == '.') || (length == 2 && part[1] == '.' && part[2] == '.')) {
            return 0;
        }
    }
    return 1;
}

static int judge_directory(const judgement *judge, int directory, const char *path, int is_last) {
    struct stat facts;
    if (fstat(directory, &facts) != 0) {
        return refuse(judge, "%.70s: %s", path, strerror(errno));
    }
    if (facts.st_uid != 0 && facts.st_uid != geteuid()) {
        return refuse(judge, "%.70s: owned by uid %u; allowed: root or uid %u", path, (unsigned)facts.st_uid,
                      (unsigned)geteuid());
    }
    if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (is_last || (facts.st_mode & S_ISVTX) == 0)) {
        return refuse(judge, "%.70s: others may write it; remedy: chmod go-w", path);
    }
    if (geteuid() == 0 && (facts.st_mode & S_IXOTH) == 0) {
        return refuse(judge, "%.70s: closed to the workers' user; remedy: chmod o+x", path);
    }
    return 0;
}

static int open_part(int at, const char *name) {
    return openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* ENOTDIR is all that the kernel says of a symlink here. */
static const char *what_is_wrong(int at, const char *name) {
    int cause = errno;
    struct stat facts;
    return fstatat(at, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(facts.st_mode)
               ? "a symlink; name the directory itself"
               : strerror(cause);
}

/* Walks from "/" to the directory; each part is opened below the one that was judged. Returns its descriptor, or -1. */
static int walk(const judgement *judge, const char *path) {
    char so_far[WY_PROFILE_ROOT_BYTES] = "/", name[WY_PROFILE_ROOT_BYTES];
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0 || judge_directory(judge, at, so_far, 0) != 0) {
        if (at >= 0) {
            (void)close(at);
        }
        return at < 0 ? refuse(judge, "/: %s", strerror(errno)) : -1;
    }
    for (const char *part = path; *part == '/'; part += strlen(name) + 1) {
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(part + 1, "/"), part + 1);
        (void)snprintf(so_far, sizeof so_far, "%.*s", (int)(part + 1 - path + (ptrdiff_t)strlen(name)), path);
        int next = open_part(at, name);
        int judged = next < 0 ? refuse(judge, "%.70s: %s", so_far, what_is_wrong(at, name))
                              : judge_directory(judge, next, so_far, part[1 + strlen(name)] == '\0');
        (void)close(at);
        if (judged != 0) {
            if (next >= 0) {
                (void)close(next);
            }
            return -1;
        }
        at = next;
    }
    return at;
}

int wy_own_root_check(const char *path, char *why, size_t capacity) {
    static const char *const mount_points[] = {"proc", "dev", "tmp"};
    const judgement judge = {why, capacity};
    if (!is_plain(path)) {
        return refuse(&judge, "an absolute path without '..', '.' or '//' of under %u bytes is allowed",
                      WY_PROFILE_ROOT_BYTES);
    }
    int root = walk(&judge, path), result = root < 0 ? -1 : 0;
    for (size_t i = 0; result == 0 && i < sizeof mount_points / sizeof mount_points[0]; i++) {
        int point = open_part(root, mount_points[i]);
        if (point < 0) {
            result = refuse(&judge, "%.60s lacks the directory %s; remedy: mkdir %s in it", path, mount_points[i],
                            mount_points[i]);
        } else {
            (void)close(point);
        }
    }
    if (root >= 0) {
        (void)close(root);
    }
    return result;
}
