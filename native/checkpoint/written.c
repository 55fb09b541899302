#include "checkpoint/written.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "checkpoint/pagemap.h"

/* linux/userfaultfd.h of Linux 6.7; older headers lack them. */
typedef struct api_request {
    uint64_t api, features, ioctls;
} api_request;
typedef struct register_request {
    uint64_t start, length, mode, ioctls;
} register_request;
#define API_IOCTL _IOWR(0xAA, 0x3F, api_request)
#define REGISTER_IOCTL _IOWR(0xAA, 0x00, register_request)
#define API UINT64_C(0xAA)
#define FEATURE_WP_ASYNC (UINT64_C(1) << 15)
#define MODE_WP (UINT64_C(1) << 1)

_Static_assert(WY_WRITTEN_FLAGS == (O_CLOEXEC | O_NONBLOCK | 1), "UFFD_USER_MODE_ONLY");

#define SCAN_MARK 1u         /* PM_SCAN_WP_MATCHING */
#define SCAN_CHECK_WATCHED 2u /* PM_SCAN_CHECK_WPASYNC */
#define LEAST_PIECE (UINT64_C(256) * WY_PAGE) /* pieces of mappings that were replaced are told apart down to this size */

#ifndef PTRACE_O_SUSPEND_SECCOMP
#define PTRACE_O_SUSPEND_SECCOMP (1 << 21)
#endif

/* With the filter set aside the tracee stands; it makes our calls and no other. What that needs is in effect for this one call. */
static int set_filter_aside(const wy_tracee *tracee, int aside) {
    long options = PTRACE_O_TRACESYSGOOD | (aside ? PTRACE_O_SUSPEND_SECCOMP : 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct usual[2], more[2];
    if (syscall(SYS_capget, &header, usual) != 0) {
        return -1;
    }
    memcpy(more, usual, sizeof more);
    more[0].effective |= more[0].permitted & 1u << CAP_SYS_ADMIN;
    if (aside && syscall(SYS_capset, &header, more) != 0) {
        return -1;
    }
    int result = ptrace(PTRACE_SETOPTIONS, tracee->memory.pid, NULL, (void *)options) == 0 ? 0 : -1, cause = errno;
    if (aside && syscall(SYS_capset, &header, usual) != 0) {
        return -1;
    }
    errno = cause;
    return result;
}

static wy_status make(wy_tracee *tracee, wy_written *out, wy_error *error) {
    int64_t there = -1, closed = -1;
    wy_status status = wy_tracee_call(tracee, SYS_userfaultfd, (uint64_t[6]){WY_WRITTEN_FLAGS}, &there, error);
    if (status == WY_OK && there < 0) {
        return wy_fail(error, WY_UNSUPPORTED, (int)-there, "written pages", "userfaultfd: %s", strerror((int)-there));
    }
    if (status != WY_OK) {
        return status;
    }
    int pidfd = (int)syscall(SYS_pidfd_open, tracee->memory.pid, 0);
    out->fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, (int)there, 0);
    int cause = errno;
    if (pidfd >= 0) {
        (void)close(pidfd);
    }
    status = wy_tracee_call(tracee, SYS_close, (uint64_t[6]){(uint64_t)there}, &closed, error);
    if (status == WY_OK && closed != 0) {
        return wy_fail(error, WY_SYSTEM, (int)-closed, "written pages", "the process cannot close what it made");
    }
    return status == WY_OK && out->fd < 0 ? wy_fail(error, WY_UNSUPPORTED, cause, "written pages", "pidfd_getfd: %s", strerror(cause)) : status;
}

/* Descriptors of this kind are ours, from one who was lost before closing it: its filter lets nobody else make any. */
wy_status wy_written_sweep(wy_tracee *tracee, wy_error *error) {
    char path[64], target[64];
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)tracee->memory.pid);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return wy_fail(error, WY_SYSTEM, errno, "written pages", "descriptors cannot be listed: %s", strerror(errno));
    }
    wy_status status = WY_OK;
    for (struct dirent *entry = readdir(directory); entry != NULL && status == WY_OK; entry = readdir(directory)) {
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        if (strcmp(target, "anon_inode:[userfaultfd]") == 0) {
            int64_t ignored;
            status = wy_tracee_call(tracee, SYS_close, (uint64_t[6]){strtoull(entry->d_name, NULL, 10)}, &ignored, error);
        }
    }
    (void)closedir(directory);
    return status;
}

wy_status wy_written_open(wy_tracee *tracee, wy_written *out, wy_error *error) {
    *out = WY_NOTHING_WATCHED;
    if (set_filter_aside(tracee, 1) != 0) {
        return wy_fail(error, WY_UNSUPPORTED, errno, "written pages", "the filter cannot be set aside: %s", strerror(errno));
    }
    wy_status status = make(tracee, out, error);
    if (set_filter_aside(tracee, 0) != 0 && status == WY_OK) {
        status = wy_fail(error, WY_SYSTEM, errno, "written pages", "the filter cannot be put back: %s", strerror(errno));
    }
    api_request api = {.api = API, .features = FEATURE_WP_ASYNC};
    if (status == WY_OK && ioctl(out->fd, API_IOCTL, &api) != 0) {
        status = wy_fail(error, WY_UNSUPPORTED, errno, "written pages", "this kernel does not count writes: %s", strerror(errno));
    }
    if (status != WY_OK) {
        wy_written_close(out);
    }
    return status;
}

wy_status wy_written_watch(wy_written *written, const wy_vmas *vmas, wy_error *error) {
    written->watched.items = calloc(vmas->count, sizeof *written->watched.items);
    if (written->watched.items == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "written pages", "no memory");
    }
    for (uint32_t i = 0; i < vmas->count; i++) {
        const wy_vma *vma = &vmas->items[i];
        register_request request = {.start = vma->start, .length = vma->end - vma->start, .mode = MODE_WP};
        if ((vma->flags & (WY_VMA_SHARED | WY_VMA_KERNEL)) == 0 && ioctl(written->fd, REGISTER_IOCTL, &request) == 0) {
            written->watched.items[written->watched.count++] = *vma;
        }
    }
    return WY_OK;
}

typedef struct finding {
    const wy_memory *memory;
    wy_runs *out, *lost;
    uint32_t file; /* SCAN_FILE where a page can be a file's */
    scan_region regions[SCAN_REGIONS];
} finding;

/* Up to `end`, or to where the regions ran out: *next. The number of regions; -1 with errno. */
static int scan(finding *f, int mark, uint64_t start, uint64_t end, uint64_t *next) {
    scan_request request = {.size = sizeof request,
                            .flags = SCAN_CHECK_WATCHED | (mark ? SCAN_MARK : 0),
                            .start = start,
                            .end = end,
                            .vec = (uint64_t)(uintptr_t)f->regions,
                            .vec_len = SCAN_REGIONS,
                            .category_inverted = f->file | SCAN_ZERO,
                            .category_mask = f->file | SCAN_ZERO | SCAN_WRITTEN,
                            .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
                            .return_mask = SCAN_PRESENT};
    int count = ioctl(f->memory->pagemap_fd, SCAN_IOCTL, &request);
    *next = count == (int)SCAN_REGIONS ? f->regions[count - 1].end : end;
    return count;
}

static wy_status add_regions(finding *f, int count, wy_error *error) {
    wy_status status = WY_OK;
    for (int i = 0; i < count && status == WY_OK; i++) {
        status = wy_runs_add(f->out, f->regions[i].start, f->regions[i].end, error);
    }
    return status;
}

/* A look first: a scan that meets a mapping which is not watched fails, having marked what came before without telling it. */
static wy_status find_piece(finding *f, uint64_t start, uint64_t *end, wy_error *error) {
    int count = scan(f, 0, start, *end, end);
    uint64_t looked = *end;
    if (count > 0) {
        count = scan(f, 1, start, looked, end);
        if (count < 0 && errno == EPERM) { /* replaced in between */
            *end = looked;
            return wy_runs_add(f->lost, start, looked, error);
        }
    }
    return count >= 0         ? add_regions(f, count, error)
           : errno == EPERM ? WY_EMPTY
                            : wy_fail(error, WY_SYSTEM, errno, "written pages", "PAGEMAP_SCAN: %s", strerror(errno));
}

static wy_status find(finding *f, uint64_t start, uint64_t end, wy_error *error) {
    while (start < end) {
        uint64_t next = end;
        wy_status status = find_piece(f, start, &next, error);
        if (status == WY_EMPTY && end - start <= LEAST_PIECE) {
            return WY_OK;
        }
        if (status == WY_EMPTY) { /* a mapping that is not the one that was watched: somewhere in here */
            next = start + (end - start) / WY_PAGE / 2 * WY_PAGE;
            status = find(f, start, next, error);
        }
        if (status != WY_OK) {
            return status;
        }
        start = next;
    }
    return WY_OK;
}

wy_status wy_written_find(const wy_written *written, const wy_memory *memory, wy_runs *out, wy_runs *lost, wy_error *error) {
    finding *f = malloc(sizeof *f);
    if (f == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "written pages", "no memory");
    }
    f->memory = memory;
    f->out = out;
    f->lost = lost;
    wy_status status = WY_OK;
    for (uint32_t i = 0; i < written->watched.count && status == WY_OK; i++) {
        const wy_vma *vma = &written->watched.items[i]; /* what is watched there still is of its kind: what replaces it is not watched */
        f->file = (vma->flags & WY_VMA_FILE) != 0 ? SCAN_FILE : 0;
        status = find(f, vma->start, vma->end, error);
    }
    free(f);
    return status;
}

void wy_written_close(wy_written *written) {
    if (written->fd >= 0) {
        (void)close(written->fd);
    }
    wy_vmas_free(&written->watched);
    *written = WY_NOTHING_WATCHED;
}
