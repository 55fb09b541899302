/* The installation as the daemon sees it when the keeper is root. A clone below /root is readable for root alone; bound into
 * the runtime directory it is readable for the daemon, and for nobody else, and read-only. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper/keeper.h"

#define CHECKED_FILES 4096

wy_status wy_check_owned(const char *path, wy_error *error) {
    struct stat facts;
    if (stat(path, &facts) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "installation", "%.180s", path);
    }
    if (facts.st_uid != 0 && facts.st_uid != geteuid()) {
        return wy_fail(error, WY_DENIED, 0, "installation", "%.150s belongs to another user (uid %u)", path, facts.st_uid);
    }
    if ((facts.st_mode & 022) != 0) {
        return wy_fail(error, WY_DENIED, 0, "installation", "others may write %.130s; do: chmod -R go-w on it", path);
    }
    return WY_OK;
}

/* Binds `source` read-only at `name` in the directory `at`; all by descriptor, so that no link is ever followed. */
static wy_status bind_read_only(const char *source, int at, const char *name, wy_error *error) {
    char from[40], to[40];
    if (mkdirat(at, name, 0755) != 0 && errno != EEXIST) {
        return wy_fail(error, WY_SYSTEM, errno, "bind", "no place for %.150s", source);
    }
    int source_fd = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int target_fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result = -1;
    if (source_fd >= 0 && target_fd >= 0) {
        snprintf(from, sizeof from, "/proc/self/fd/%d", source_fd);
        snprintf(to, sizeof to, "/proc/self/fd/%d", target_fd);
        result = mount(from, to, NULL, MS_BIND, NULL);
        if (result == 0) { /* the name now leads to the mount: a fresh descriptor is on it */
            close(target_fd);
            target_fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            snprintf(to, sizeof to, "/proc/self/fd/%d", target_fd);
            result = mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL);
        }
    }
    int failure = errno;
    close(source_fd);
    close(target_fd);
    return result == 0 ? WY_OK : wy_fail(error, WY_SYSTEM, failure, "bind", "%.150s cannot be bound", source);
}

/* A small root-owned tmpfs at RUNTIME/install: the daemon owns RUNTIME and must not choose what lies below this. */
static int make_place(int runtime_fd) {
    char path[40];
    if (mkdirat(runtime_fd, "install", 0755) != 0 && errno != EEXIST) {
        return -1;
    }
    int fd = openat(runtime_fd, "install", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int result = mount("wayang", path, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=0755");
    int failure = errno;
    close(fd);
    errno = failure;
    return result == 0 ? openat(runtime_fd, "install", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
}

/* The program and, for an interpreter, the file after it: replaced by where they are to be seen below the runtime
 * directory. */
static wy_status bind_program(const wy_keeper_options *options, int place, wy_installation *out, wy_error *error) {
    static const char *const names[] = {"daemon", "program"};
    for (int i = 0; i < 2 && i < options->daemon_argc; i++) {
        struct stat facts;
        char real[PATH_MAX], *slash; /* realpath asks for so much */
        if (options->daemon_argv[i][0] != '/' || realpath(options->daemon_argv[i], real) == NULL || stat(real, &facts) != 0 ||
            !S_ISREG(facts.st_mode)) {
            if (i == 0) {
                return wy_fail(error, WY_INVALID, 0, "daemon", "%.150s is not the absolute path of a program",
                               options->daemon_argv[0]);
            }
            continue;
        }
        slash = strrchr(real, '/');
        *slash = 0;
        wy_status status = bind_read_only(*real == 0 ? "/" : real, place, names[i], error);
        if (status != WY_OK) {
            return status;
        }
        if (snprintf(out->replaced[i], sizeof out->replaced[i], "%s/install/%s/%s", options->runtime_dir, names[i],
                     slash + 1) >= (int)sizeof out->replaced[i]) {
            return wy_fail(error, WY_TOO_BIG, 0, "daemon", "its path is too long");
        }
        out->daemon_argv[i] = out->replaced[i];
    }
    return WY_OK;
}

wy_status wy_installation_bind(const wy_keeper_options *options, int runtime_fd, wy_installation *out, wy_error *error) {
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "mount namespace", "no private one can be made");
    }
    /* A descriptor from before the unshare leads into the old namespace, where nothing can be mounted: open it anew. */
    int here = open(options->runtime_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat before, now;
    if (here < 0 || fstat(here, &now) != 0 || fstat(runtime_fd, &before) != 0 || now.st_ino != before.st_ino ||
        now.st_dev != before.st_dev) {
        close(here);
        return wy_fail(error, WY_DENIED, 0, "install", "%.150s was replaced while it was set up", options->runtime_dir);
    }
    int place = make_place(here);
    close(here);
    if (place < 0) {
        return wy_fail(error, WY_SYSTEM, errno, "install", "the installation cannot be shown in %.150s", options->runtime_dir);
    }
    wy_status status = bind_read_only(options->native_dir, place, "native", error);
    if (status == WY_OK) {
        status = bind_program(options, place, out, error);
    }
    const char *dotnet = getenv("DOTNET_ROOT");
    if (status == WY_OK && dotnet != NULL && dotnet[0] == '/') {
        status = bind_read_only(dotnet, place, "dotnet", error);
        snprintf(out->dotnet_root, sizeof out->dotnet_root, "%s/install/dotnet", options->runtime_dir);
    }
    snprintf(out->native_dir, sizeof out->native_dir, "%s/install/native", options->runtime_dir);
    close(place);
    return status;
}

/* The first file that cannot be read, or "" if all can. Bounded in number and depth. */
static void find_unreadable(const char *directory, int depth, int *left, char *out, size_t capacity) {
    DIR *dir = opendir(directory);
    if (dir == NULL) {
        snprintf(out, capacity, "%s", directory);
        return;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL && *out == 0 && (*left)-- > 0; entry = readdir(dir)) {
        char path[768];
        if (entry->d_name[0] == '.' || snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) >= (int)sizeof path) {
            continue;
        }
        if (entry->d_type == DT_DIR && depth < 4) {
            find_unreadable(path, depth + 1, left, out, capacity);
        } else if (entry->d_type == DT_REG && access(path, R_OK) != 0) {
            snprintf(out, capacity, "%s", path);
        }
    }
    closedir(dir);
}

wy_status wy_installation_check(const wy_installation *installation, wy_error *error) {
    char answer[768] = "";
    int line[2], state = 0, left = CHECKED_FILES;
    if (pipe2(line, O_CLOEXEC) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "installation", "no pipe");
    }
    pid_t child = fork();
    if (child == 0) {
        if (wy_become_daemon_user() != 0) {
            snprintf(answer, sizeof answer, "(the daemon's user cannot be taken)");
        } else if (access(installation->daemon_argv[0], X_OK) != 0) {
            snprintf(answer, sizeof answer, "%s", installation->daemon_argv[0]);
        } else {
            const char *beside = installation->replaced[1][0] != 0 ? installation->replaced[1] : installation->replaced[0];
            char directory[512];
            snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(beside, '/') - beside), beside);
            find_unreadable(directory, 0, &left, answer, sizeof answer);
        }
        ssize_t ignored = write(line[1], answer, strlen(answer));
        (void)ignored;
        _exit(0);
    }
    close(line[1]);
    ssize_t length = child > 0 ? read(line[0], answer, sizeof answer - 1) : -1;
    close(line[0]);
    if (child < 0 || waitpid(child, &state, 0) != child || length < 0 || !WIFEXITED(state) || WEXITSTATUS(state) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "installation", "its readability cannot be checked");
    }
    answer[length] = 0;
    return length == 0 ? WY_OK
                       : wy_fail(error, WY_DENIED, 0, "installation",
                                 "the daemon's user (uid %u) cannot read %.100s; do: chmod -R a+rX on the installation",
                                 WY_DAEMON_UID, answer);
}
