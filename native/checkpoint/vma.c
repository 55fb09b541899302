#include "checkpoint/vma.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel/layout.h"
#include "checkpoint/hash.h"

#define MAX_TEXT (WY_MAX_VMAS * 256u)
#define CHANNEL_START WY_CHANNEL_D_ADDRESS
#define CHANNEL_END (WY_CHANNEL_W_ADDRESS + WY_CHANNEL_RESERVED_BYTES)

/* The whole file, NUL-terminated. */
static wy_status read_text(pid_t pid, char **out, wy_error *error) {
    char path[48];
    size_t used = 0, room = 65536;
    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd < 0 ? NULL : malloc(room);
    if (text == NULL) {
        int cause = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return wy_fail(error, cause == ENOENT ? WY_CLOSED : WY_SYSTEM, cause, "maps", "cannot read the mappings of process %d: %s",
                       (int)pid, strerror(cause));
    }
    ssize_t got = 1;
    while (got > 0 && used < MAX_TEXT) {
        if (room - used < 4097) {
            char *grown = realloc(text, room * 2);
            if (grown == NULL) {
                break;
            }
            text = grown;
            room *= 2;
        }
        got = read(fd, text + used, room - used - 1);
        used += got > 0 ? (size_t)got : 0;
    }
    (void)close(fd);
    text[used] = '\0';
    if (got != 0 || used == 0) {
        free(text);
        return got > 0 ? wy_fail(error, WY_TOO_BIG, 0, "maps", "process %d has too many mappings to move", (int)pid)
                       : wy_fail(error, WY_CLOSED, 0, "maps", "process %d has ended", (int)pid);
    }
    *out = text;
    return WY_OK;
}

/* The file's own name: where it is installed, and whether it was replaced since, is another matter. What it holds is hashed. */
static uint64_t hash_name(const char *path) {
    static const char gone[] = " (deleted)";
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    size_t length = strlen(name), suffix = sizeof gone - 1;
    length -= length > suffix && memcmp(name + length - suffix, gone, suffix) == 0 ? suffix : 0;
    return wy_hash64(name, length, 0);
}

static int parse_line(const char *line, size_t length, wy_vma *out) {
    char text[512], rights[5];
    uint64_t inode = 0;
    int name = 0;
    size_t kept = length < sizeof text - 1 ? length : sizeof text - 1;
    memcpy(text, line, kept);
    text[kept] = '\0';
    memset(out, 0, sizeof *out);
    if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*x:%*x %" SCNu64 " %n", &out->start, &out->end, rights,
               &out->offset, &inode, &name) < 5 || strlen(rights) != 4) {
        return 0;
    }
    out->flags = (rights[0] == 'r' ? WY_VMA_READ : 0) | (rights[1] == 'w' ? WY_VMA_WRITE : 0) |
                 (rights[2] == 'x' ? WY_VMA_EXEC : 0) | (rights[3] == 's' ? WY_VMA_SHARED : 0);
    const char *path = name > 0 ? text + name : "";
    out->flags |= strcmp(path, "[stack]") == 0 ? WY_VMA_STACK : 0;
    out->flags |= strncmp(path, "[vdso", 5) == 0 || strncmp(path, "[vvar", 5) == 0 ? WY_VMA_KERNEL : 0;
    if (inode != 0 || path[0] == '/') {
        out->flags |= WY_VMA_FILE;
        out->name_hash = hash_name(path);
    } else {
        out->offset = 0;
    }
    return 1;
}

static int is_left_out(const wy_vma *vma) {
    return vma->start >= WY_ADDRESS_END || (vma->start >= CHANNEL_START && vma->end <= CHANNEL_END);
}

int wy_vma_same_kind(const wy_vma *a, const wy_vma *b) {
    const uint32_t kind = WY_VMA_FILE | WY_VMA_SHARED | WY_VMA_KERNEL;
    return (a->flags & kind) == (b->flags & kind) && a->name_hash == b->name_hash &&
           ((a->flags & WY_VMA_FILE) == 0 || a->offset - a->start == b->offset - b->start);
}

static void append(wy_vmas *vmas, const wy_vma *vma) {
    wy_vma *last = vmas->count > 0 ? &vmas->items[vmas->count - 1] : NULL;
    if (last != NULL && last->end == vma->start && last->flags == vma->flags && wy_vma_same_kind(last, vma)) {
        last->end = vma->end;
        return;
    }
    vmas->items[vmas->count++] = *vma;
}

wy_status wy_vmas_read(pid_t pid, wy_vmas *out, wy_error *error) {
    char *text = NULL;
    *out = (wy_vmas){0};
    wy_status status = read_text(pid, &text, error);
    if (status != WY_OK) {
        return status;
    }
    uint32_t lines = 1;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    out->items = lines > WY_MAX_VMAS ? NULL : calloc(lines, sizeof *out->items);
    if (out->items == NULL) {
        free(text);
        return wy_fail(error, lines > WY_MAX_VMAS ? WY_TOO_BIG : WY_NO_MEMORY, 0, "maps", "%u mappings; at most %u can be moved", lines,
                       WY_MAX_VMAS);
    }
    for (const char *at = text; *at != '\0' && status == WY_OK;) {
        size_t length = strcspn(at, "\n");
        wy_vma vma;
        if (!parse_line(at, length, &vma)) {
            status = wy_fail(error, WY_CORRUPT, 0, "maps", "a line of /proc/%d/maps makes no sense", (int)pid);
        } else if (!is_left_out(&vma)) {
            append(out, &vma);
        }
        at += length + (at[length] == '\n');
    }
    free(text);
    if (status != WY_OK) {
        wy_vmas_free(out);
    }
    return status;
}

void wy_vmas_free(wy_vmas *vmas) {
    free(vmas->items);
    *vmas = (wy_vmas){0};
}

wy_status wy_vmas_check(const wy_vmas *vmas, wy_error *error) {
    uint64_t last = WY_PAGE; /* page 0 is nobody's */
    for (uint32_t i = 0; i < vmas->count; i++) {
        const wy_vma *vma = &vmas->items[i];
        if (vma->start % WY_PAGE != 0 || vma->end % WY_PAGE != 0 || vma->start < last || vma->end <= vma->start ||
            vma->end > WY_ADDRESS_END || (vma->flags & ~WY_VMA_KNOWN) != 0 || vma->reserved != 0 || vma->offset % WY_PAGE != 0) {
            return wy_fail(error, WY_CORRUPT, 0, "mappings", "mapping %u is out of order or malformed", i);
        }
        if ((vma->flags & (WY_VMA_SHARED | WY_VMA_KERNEL)) != 0 || (vma->start < CHANNEL_END && vma->end > CHANNEL_START)) {
            return wy_fail(error, WY_DENIED, 0, "mappings", "mapping %u is shared, the kernel's or the channel's", i);
        }
        last = vma->end;
    }
    return WY_OK;
}

const wy_vma *wy_vmas_find(const wy_vmas *vmas, uint64_t address) {
    uint32_t low = 0, high = vmas->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (vmas->items[middle].end <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < vmas->count ? &vmas->items[low] : NULL;
}

int wy_vmas_have(const wy_vmas *vmas, const wy_vma *vma) {
    const wy_vma *found = wy_vmas_find(vmas, vma->start);
    return found != NULL && memcmp(found, vma, sizeof *vma) == 0;
}

wy_status wy_vmas_equal(const wy_vmas *a, const wy_vmas *b, wy_error *error) {
    for (uint32_t i = 0; i < a->count || i < b->count; i++) {
        const wy_vma *x = i < a->count ? &a->items[i] : NULL, *y = i < b->count ? &b->items[i] : NULL;
        if (x == NULL || y == NULL || memcmp(x, y, sizeof *x) != 0) {
            const wy_vma none = {0}, *left = x != NULL ? x : &none, *right = y != NULL ? y : &none;
            return wy_fail(error, WY_DENIED, 0, "mappings", "%" PRIx64 "-%" PRIx64 " (%x) here, %" PRIx64 "-%" PRIx64 " (%x) there",
                           left->start, left->end, left->flags, right->start, right->end, right->flags);
        }
    }
    return WY_OK;
}
