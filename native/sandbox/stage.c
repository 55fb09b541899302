#include "sandbox/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define WHOLE_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SECRETS "/run/secrets"

static wy_status malformed(wy_error *error, const char *what) {
    return wy_fail(error, WY_CORRUPT, 0, "stage", "%s", what);
}

static int read_whole(int fd, void *out, size_t bytes, uint64_t offset) {
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(fd, (char *)out + done, bytes - done, (off_t)(offset + done));
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            return -1;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

/* Relative, at least one part, none of them empty, "." or "..". */
static int name_is_good(const char *name, int one_part) {
    const char *nul = memchr(name, 0, WY_STAGE_NAME_BYTES);
    if (nul == NULL || nul == name) {
        return 0;
    }
    for (const char *part = name; part != NULL;) {
        const char *slash = strchr(part, '/');
        size_t length = slash != NULL ? (size_t)(slash - part) : strlen(part);
        if (length == 0 || (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.') ||
            (slash != NULL && one_part)) {
            return 0;
        }
        part = slash != NULL ? slash + 1 : NULL;
    }
    return 1;
}

static wy_status check_entries(const wy_stage *stage, uint64_t bytes, wy_error *error) {
    uint64_t first = sizeof(wy_stage_header) + (uint64_t)stage->header.count * sizeof(wy_stage_entry);
    for (uint32_t i = 0; i < stage->header.count; i++) {
        const wy_stage_entry *entry = &stage->entries[i];
        if ((entry->kind != WY_STAGE_INPUT && entry->kind != WY_STAGE_SECRET) || (entry->mode & ~0777u) != 0) {
            return malformed(error, "an entry of unknown kind or mode");
        }
        if (!name_is_good(entry->name, entry->kind == WY_STAGE_SECRET)) {
            return malformed(error, "the name of an entry is no relative path");
        }
        if (entry->offset < first || entry->offset > bytes || entry->length > bytes - entry->offset) {
            return malformed(error, "the content of an entry lies outside the file");
        }
    }
    return WY_OK;
}

wy_status wy_stage_read(int fd, wy_stage *out, wy_error *error) {
    struct stat facts;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & WHOLE_SEALS) != WHOLE_SEALS || fstat(fd, &facts) != 0) {
        return malformed(error, "the file is not a memory file sealed WRITE, SHRINK, GROW and SEAL");
    }
    if (facts.st_size < (off_t)sizeof(wy_stage_header) || facts.st_size > (off_t)WY_STAGE_MAX_BYTES ||
        read_whole(fd, &out->header, sizeof out->header, 0) != 0) {
        return malformed(error, "the file is shorter than its header, or too long");
    }
    const wy_stage_header *header = &out->header;
    size_t table = (size_t)header->count * sizeof(wy_stage_entry);
    if (header->magic != WY_STAGE_MAGIC || (header->flags & ~(WY_STAGE_COLLECT | WY_STAGE_STATE)) != 0 || header->count > WY_STAGE_MAX_ENTRIES ||
        table > (size_t)facts.st_size - sizeof *header) {
        return malformed(error, "bad magic, flags or count");
    }
    out->fd = fd;
    out->entries = calloc(header->count + 1u, sizeof(wy_stage_entry));
    if (out->entries == NULL || read_whole(fd, out->entries, table, sizeof *header) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "stage", "cannot read the entries");
    }
    return check_entries(out, (uint64_t)facts.st_size, error);
}

/* Opens the directory that `path` lies in, making what is missing; *last is its last part. */
static int open_parent(int directory, char *path, char **last) {
    int at = dup(directory);
    *last = path;
    for (char *slash = strchr(path, '/'); at >= 0 && slash != NULL; slash = strchr(*last, '/')) {
        *slash = '\0';
        if (mkdirat(at, *last, 0755) != 0 && errno != EEXIST) {
            (void)close(at);
            return -1;
        }
        int next = openat(at, *last, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int cause = errno;
        (void)close(at);
        errno = cause;
        at = next;
        *last = slash + 1;
    }
    return at;
}

static int copy_content(const wy_stage *stage, const wy_stage_entry *entry, int file) {
    static char buffer[65536];
    for (uint64_t done = 0; done < entry->length;) {
        uint64_t left = entry->length - done;
        size_t part = left < sizeof buffer ? (size_t)left : sizeof buffer;
        if (read_whole(stage->fd, buffer, part, entry->offset + done) != 0) {
            return -1;
        }
        for (size_t put = 0; put < part;) {
            ssize_t one = write(file, buffer + put, part - put);
            if (one < 0 && errno != EINTR) {
                return -1;
            }
            put += one > 0 ? (size_t)one : 0;
        }
        done += part;
    }
    explicit_bzero(buffer, sizeof buffer);
    return 0;
}

int wy_stage_write(const wy_stage *stage, const wy_stage_entry *entry, int directory) {
    char path[WY_STAGE_NAME_BYTES], *last = NULL;
    memcpy(path, entry->name, sizeof path);
    int parent = open_parent(directory, path, &last);
    if (parent < 0) {
        return -1;
    }
    int file = openat(parent, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int failed = file < 0 || copy_content(stage, entry, file) != 0 || fchmod(file, (mode_t)entry->mode) != 0;
    int cause = errno;
    if (file >= 0) {
        (void)close(file);
    }
    (void)close(parent);
    errno = cause;
    return failed ? -1 : 0;
}

wy_status wy_stage_secrets(const wy_stage *stage, wy_error *error) {
    uint32_t secrets = 0;
    for (uint32_t i = 0; i < stage->header.count; i++) {
        secrets += stage->entries[i].kind == WY_STAGE_SECRET;
    }
    if (secrets == 0) {
        return WY_OK;
    }
    /* ramfs, not tmpfs: its pages are never written to swap. What goes in is bounded by the message, then it is closed. */
    if (mount("ramfs", SECRETS, "ramfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
        int cause = errno;
        return wy_fail(error, WY_SYSTEM, cause, "secrets", "cannot mount " SECRETS ": %s%s", strerror(cause),
                       cause == ENOENT ? " (the profile's own root lacks that directory)" : "");
    }
    int directory = open(SECRETS, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int failed = directory < 0;
    for (uint32_t i = 0; i < stage->header.count && !failed; i++) {
        failed = stage->entries[i].kind == WY_STAGE_SECRET && wy_stage_write(stage, &stage->entries[i], directory) != 0;
    }
    failed = failed || mount(NULL, SECRETS, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0;
    int cause = errno;
    if (directory >= 0) {
        (void)close(directory);
    }
    return failed ? wy_fail(error, WY_SYSTEM, cause, "secrets", "cannot fill " SECRETS ": %s", strerror(cause)) : WY_OK;
}
