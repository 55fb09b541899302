/* A manifest on its way to another node: bounded, with its hash, checked before it is used. */
#include "checkpoint/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint/hash.h"

#define MAGIC UINT64_C(0x314E414D59415957) /* "WYAYMAN1" */

typedef struct manifest_head {
    uint64_t magic;
    uint32_t vma_count, page_count;
    uint64_t image_hash, cpu_hash;
    uint64_t body_hash; /* of what follows: mappings, pages */
    uint64_t head_hash; /* of this struct with head_hash 0 */
} manifest_head;

static uint64_t hash_of(const manifest_head *head) {
    manifest_head own = *head;
    own.head_hash = 0;
    return wy_hash64(&own, sizeof own, 5);
}

static uint64_t hash_body(const wy_manifest *m) {
    return wy_hash64(m->pages, m->page_count * sizeof *m->pages, wy_hash64(m->vmas.items, m->vmas.count * sizeof *m->vmas.items, 6));
}

static wy_status move(int fd, int out, void *bytes, size_t length, wy_error *error) {
    for (size_t done = 0; done < length;) {
        ssize_t one = out ? write(fd, (char *)bytes + done, length - done) : read(fd, (char *)bytes + done, length - done);
        if (one == 0 && !out) {
            return wy_fail(error, WY_CLOSED, 0, "manifest", "it broke off");
        }
        if (one < 0 && errno != EINTR) {
            return wy_fail(error, WY_SYSTEM, errno, "manifest", "%s: %s", out ? "cannot write" : "cannot read", strerror(errno));
        }
        done += one > 0 ? (size_t)one : 0;
    }
    return WY_OK;
}

wy_status wy_manifest_write(const wy_manifest *manifest, int fd, uint64_t *bytes, wy_error *error) {
    size_t vmas = manifest->vmas.count * sizeof(wy_vma), pages = manifest->page_count * sizeof(wy_page_hash);
    manifest_head head = {.magic = MAGIC,
                          .vma_count = manifest->vmas.count,
                          .page_count = manifest->page_count,
                          .image_hash = manifest->image_hash,
                          .cpu_hash = manifest->cpu_hash,
                          .body_hash = hash_body(manifest)};
    head.head_hash = hash_of(&head);
    wy_status status = move(fd, 1, &head, sizeof head, error);
    status = status == WY_OK ? move(fd, 1, manifest->vmas.items, vmas, error) : status;
    status = status == WY_OK ? move(fd, 1, manifest->pages, pages, error) : status;
    *bytes = sizeof head + vmas + pages;
    return status;
}

static int pages_rise(const wy_manifest *m) {
    uint64_t next = 0;
    for (uint32_t i = 0; i < m->page_count; i++) {
        uint64_t address = WY_PAGE_ADDRESS(&m->pages[i]);
        if (address < next || address >= WY_ADDRESS_END || (m->pages[i].address & (WY_PAGE - 1) & ~WY_PAGE_OWN) != 0) {
            return 0;
        }
        next = address + WY_PAGE;
    }
    return 1;
}

wy_status wy_manifest_read(int fd, wy_manifest *out, wy_error *error) {
    manifest_head head;
    *out = (wy_manifest){0};
    wy_status status = move(fd, 0, &head, sizeof head, error);
    if (status != WY_OK) {
        return status;
    }
    if (head.magic != MAGIC || head.head_hash != hash_of(&head) || head.vma_count == 0 || head.vma_count > WY_MAX_VMAS ||
        head.page_count > WY_MAX_MANIFEST_PAGES) {
        return wy_fail(error, WY_CORRUPT, 0, "manifest", "this is no manifest, or a damaged one");
    }
    *out = (wy_manifest){.image_hash = head.image_hash, .cpu_hash = head.cpu_hash, .page_count = head.page_count, .page_room = head.page_count};
    out->vmas = (wy_vmas){calloc(head.vma_count, sizeof(wy_vma)), head.vma_count};
    out->pages = calloc((size_t)head.page_count + 1, sizeof(wy_page_hash));
    status = out->vmas.items == NULL || out->pages == NULL ? wy_fail(error, WY_NO_MEMORY, 0, "manifest", "no memory") : WY_OK;
    status = status == WY_OK ? move(fd, 0, out->vmas.items, head.vma_count * sizeof(wy_vma), error) : status;
    status = status == WY_OK ? move(fd, 0, out->pages, head.page_count * sizeof(wy_page_hash), error) : status;
    if (status == WY_OK && (hash_body(out) != head.body_hash || !pages_rise(out))) {
        status = wy_fail(error, WY_CORRUPT, 0, "manifest", "it is damaged");
    }
    status = status == WY_OK ? wy_vmas_check(&out->vmas, error) : status;
    if (status != WY_OK) {
        wy_manifest_free(out);
    }
    return status;
}
