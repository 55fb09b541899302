#include "channel/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static int slots_valid(uint32_t slots) {
    return slots >= WY_CHANNEL_MIN_SLOTS && slots <= WY_CHANNEL_MAX_SLOTS && (slots & (slots - 1)) == 0;
}

static int arena_valid(uint32_t bytes) {
    return bytes >= 4096 && bytes <= WY_CHANNEL_MAX_ARENA_BYTES && bytes % 4096 == 0;
}

static int memory_file(const char *name) {
    /* Never executable where the kernel can promise it (6.3); older ones refuse the flag. */
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    return fd < 0 && errno == EINVAL ? memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING) : fd;
}

/* Makes one file with its header written, mapped with `protection`, sealed with `seals`. */
static wy_status make_file(const char *name, const wy_channel_header *header, uint64_t bytes, int protection, int seals,
                           int *fd, void **mapping, wy_error *error) {
    *fd = memory_file(name);
    if (*fd < 0) {
        return wy_fail(error, WY_SYSTEM, errno, "memfd_create", "cannot create memory file %s", name);
    }
    /* All pages now: a hole that cannot be filled later would be a SIGBUS in the daemon. */
    int result = fallocate(*fd, 0, 0, (off_t)bytes);
    if (result != 0) {
        return wy_fail(error, errno == ENOSPC ? WY_NO_MEMORY : WY_SYSTEM, errno, "fallocate",
                       "cannot reserve %llu bytes for a channel", (unsigned long long)bytes);
    }
    if (pwrite(*fd, header, sizeof(*header), 0) != (ssize_t)sizeof(*header)) {
        return wy_fail(error, WY_SYSTEM, errno, "pwrite", "cannot write the header of %s", name);
    }
    *mapping = mmap(NULL, bytes, protection, MAP_SHARED, *fd, 0);
    if (*mapping == MAP_FAILED) {
        *mapping = NULL;
        return wy_fail(error, WY_SYSTEM, errno, "mmap", "cannot map %s", name);
    }
    if (fcntl(*fd, F_ADD_SEALS, seals) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "F_ADD_SEALS", "cannot seal %s", name);
    }
    return WY_OK;
}

wy_status wy_channel_create(const wy_geometry *geometry, wy_channel_memory *out, wy_error *error) {
    memset(out, 0, sizeof(*out));
    out->d_fd = out->w_fd = out->doorbell_fd = -1;
    if (!slots_valid(geometry->request_slots) || !slots_valid(geometry->completion_slots)) {
        return wy_fail(error, WY_INVALID, 0, "geometry", "slots must be a power of two from %u to %u",
                       WY_CHANNEL_MIN_SLOTS, WY_CHANNEL_MAX_SLOTS);
    }
    if (!arena_valid(geometry->request_arena_bytes) || !arena_valid(geometry->completion_arena_bytes)) {
        return wy_fail(error, WY_INVALID, 0, "geometry", "arenas must be multiples of 4096 up to %u bytes",
                       WY_CHANNEL_MAX_ARENA_BYTES);
    }
    if (geometry->max_payload == 0 || geometry->max_payload > INT32_MAX) {
        return wy_fail(error, WY_INVALID, 0, "geometry", "the largest payload must be 1 to %d bytes", INT32_MAX);
    }
    wy_channel_header header;
    memset(&header, 0, sizeof(header));
    header.magic = WY_CHANNEL_MAGIC;
    header.version = WY_CHANNEL_VERSION;
    header.slots = geometry->request_slots;
    header.arena_bytes = geometry->request_arena_bytes;
    header.peer_slots = geometry->completion_slots;
    header.peer_arena_bytes = geometry->completion_arena_bytes;
    header.spin = geometry->worker_spin;
    header.max_payload = geometry->max_payload;
    header.epoch = geometry->epoch;
    out->d_bytes = WY_CHANNEL_FILE_BYTES(header.slots, header.arena_bytes);
    out->w_bytes = WY_CHANNEL_FILE_BYTES(header.peer_slots, header.peer_arena_bytes);

    void *mapping = NULL;
    int fixed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    wy_status status = make_file("wayang-d", &header, out->d_bytes, PROT_READ | PROT_WRITE, fixed | F_SEAL_FUTURE_WRITE,
                                 &out->d_fd, &mapping, error);
    out->d = mapping;
    if (status == WY_OK) {
        header.slots = geometry->completion_slots;
        header.arena_bytes = geometry->completion_arena_bytes;
        header.peer_slots = geometry->request_slots;
        header.peer_arena_bytes = geometry->request_arena_bytes;
        header.spin = 0;
        mapping = NULL;
        status = make_file("wayang-w", &header, out->w_bytes, PROT_READ, fixed, &out->w_fd, &mapping, error);
        out->w = mapping;
    }
    if (status == WY_OK) {
        out->doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        status = out->doorbell_fd >= 0 ? WY_OK : wy_fail(error, WY_SYSTEM, errno, "eventfd", "cannot create a doorbell");
    }
    if (status != WY_OK) {
        wy_channel_destroy(out);
    }
    return status;
}

static void close_fd(int *fd) {
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}

void wy_channel_destroy(wy_channel_memory *memory) {
    if (memory->d != NULL) {
        (void)munmap(memory->d, memory->d_bytes);
    }
    if (memory->w != NULL) {
        (void)munmap((void *)(uintptr_t)memory->w, memory->w_bytes);
    }
    memory->d = NULL;
    memory->w = NULL;
    close_fd(&memory->d_fd);
    close_fd(&memory->w_fd);
    close_fd(&memory->doorbell_fd);
}

static wy_status check_header(const wy_channel_header *header, uint64_t bytes, const char *name, wy_error *error) {
    if (bytes < sizeof(*header) || header->magic != WY_CHANNEL_MAGIC || header->version != WY_CHANNEL_VERSION) {
        return wy_fail(error, WY_CORRUPT, 0, "channel", "%s is not a channel of version %u", name, WY_CHANNEL_VERSION);
    }
    if (!slots_valid(header->slots) || !arena_valid(header->arena_bytes) || header->max_payload == 0 ||
        bytes < WY_CHANNEL_FILE_BYTES(header->slots, header->arena_bytes)) {
        return wy_fail(error, WY_CORRUPT, 0, "channel", "the geometry of %s does not fit its %llu bytes", name,
                       (unsigned long long)bytes);
    }
    return WY_OK;
}

wy_status wy_channel_check(const wy_channel_header *d, uint64_t d_bytes, const wy_channel_header *w, uint64_t w_bytes,
                           wy_error *error) {
    wy_status status = check_header(d, d_bytes, "D", error);
    status = status == WY_OK ? check_header(w, w_bytes, "W", error) : status;
    if (status == WY_OK && (d->epoch != w->epoch || d->peer_slots != w->slots || d->peer_arena_bytes != w->arena_bytes ||
                            w->peer_slots != d->slots || d->max_payload != w->max_payload)) {
        return wy_fail(error, WY_CORRUPT, 0, "channel", "the two files are not of one channel");
    }
    return status;
}
