/* Artifacts: regular files below out/, read by pid 1 after every other process of the namespace has ended. Nothing can change
 * under it; each part of a path is opened by itself and never followed, so a symlink leads nowhere. */
#include "init/init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH 16

typedef struct collection {
    uint64_t bytes_left;
    uint32_t files_left;
    uint32_t left_out; /* entries */
    uint64_t left_out_bytes;
    int sends_state; /* it was sent before all others */
    int broken; /* the reader is gone, or a file could not be read to its end: the stream is of no more use */
    char path[WY_ARTIFACT_NAME_BYTES];
} collection;

static int put(const void *bytes, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t one = write(WY_INIT_FD_ARTIFACTS, (const char *)bytes + done, length - done);
        if (one < 0 && errno != EINTR) {
            return -1;
        }
        done += one > 0 ? (size_t)one : 0;
    }
    return 0;
}

static void leave_out(collection *all, uint64_t bytes) {
    all->left_out++;
    all->left_out_bytes += bytes;
}

static void send_content(collection *all, int file, uint64_t length) {
    static char buffer[65536];
    while (length > 0 && !all->broken) {
        ssize_t got = read(file, buffer, length < sizeof buffer ? (size_t)length : sizeof buffer);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        all->broken = got <= 0 || put(buffer, (size_t)got) != 0;
        length -= got > 0 ? (uint64_t)got : 0;
    }
}

static void send_file(collection *all, int file, const struct stat *facts) {
    uint64_t bytes = (uint64_t)facts->st_size;
    size_t name = strlen(all->path);
    if (all->files_left == 0 || bytes > all->bytes_left) {
        leave_out(all, bytes);
        return;
    }
    all->files_left--;
    all->bytes_left -= bytes;
    wy_artifact head = {.kind = WY_ARTIFACT_FILE, .name_length = (uint32_t)name, .length = bytes};
    all->broken = put(&head, sizeof head) != 0 || put(all->path, name) != 0;
    send_content(all, file, bytes);
}

static void walk(collection *all, int directory, size_t prefix, int depth);

static void visit(collection *all, int directory, size_t prefix, const char *name, int depth) {
    struct stat facts;
    int length = snprintf(all->path + prefix, sizeof all->path - prefix, "%s%s", prefix > 0 ? "/" : "", name);
    /* NONBLOCK: a fifo must not hold us; it is left out like all that is neither a regular file nor a directory. */
    int file = length > 0 && (size_t)length < sizeof all->path - prefix
                   ? openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
                   : -1;
    if (file < 0 || fstat(file, &facts) != 0) {
        leave_out(all, 0);
    } else if (S_ISREG(facts.st_mode)) {
        send_file(all, file, &facts);
    } else if (S_ISDIR(facts.st_mode) && depth < MAX_DEPTH) {
        walk(all, file, prefix + (size_t)length, depth + 1);
        file = -1; /* walked, and closed */
    } else {
        leave_out(all, 0);
    }
    if (file >= 0) {
        (void)close(file);
    }
    all->path[prefix] = '\0';
}

/* Owns `directory`. */
static void walk(collection *all, int directory, size_t prefix, int depth) {
    DIR *entries = fdopendir(directory);
    if (entries == NULL) {
        (void)close(directory);
        leave_out(all, 0);
        return;
    }
    for (struct dirent *entry = readdir(entries); entry != NULL && !all->broken; entry = readdir(entries)) {
        int sent = all->sends_state && prefix == 0 && strcmp(entry->d_name, WY_STAGE_STATE_NAME) == 0;
        if (!sent && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            visit(all, dirfd(entries), prefix, entry->d_name, depth);
        }
    }
    (void)closedir(entries);
}

void wy_artifacts_send(const wy_stage *stage, int cwd) {
    static collection all;
    all.files_left = stage->header.artifact_files;
    all.bytes_left = stage->header.artifact_bytes;
    int out = openat(cwd, "out", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat facts;
    all.sends_state = (stage->header.flags & WY_STAGE_STATE) != 0;
    if (out >= 0 && all.sends_state && fstatat(out, WY_STAGE_STATE_NAME, &facts, AT_SYMLINK_NOFOLLOW) == 0) {
        visit(&all, out, 0, WY_STAGE_STATE_NAME, 0);
    }
    if (out >= 0 && (stage->header.flags & WY_STAGE_COLLECT) != 0) {
        walk(&all, out, 0, 0);
    } else if (out >= 0) {
        (void)close(out);
    }
    if (!all.broken) {
        wy_artifact end = {.kind = WY_ARTIFACT_END, .name_length = all.left_out, .length = all.left_out_bytes};
        (void)put(&end, sizeof end);
    }
}
