#include "checkpoint/manifest.h"

#include <cpuid.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/frame.h"
#include "checkpoint/hash.h"

uint64_t wy_cpu_hash(void) {
    uint32_t seen[16] = {0}, unused = 0;
    __cpuid(1, unused, unused, seen[0], seen[1]);
    seen[0] &= ~(1u << 27); /* whether the kernel turned XSAVE on: the mask below says more */
    if (__get_cpuid_max(0, NULL) >= 7) {
        __cpuid_count(7, 0, unused, seen[2], seen[3], seen[4]);
        __cpuid_count(7, 1, seen[5], unused, unused, seen[6]);
    }
    if (__get_cpuid_max(0, NULL) >= 13) {
        __cpuid_count(13, 0, seen[7], seen[8], unused, seen[9]); /* the parts of the register file, and its size */
        __cpuid_count(13, 1, seen[10], seen[11], unused, unused);
    }
    return wy_hash64(seen, sizeof seen, 1);
}

static wy_status add_page(wy_manifest *manifest, uint64_t address, const uint8_t *bytes, uint64_t own, wy_error *error) {
    if (manifest->page_count == manifest->page_room) {
        uint32_t room = manifest->page_room == 0 ? 4096 : manifest->page_room * 2;
        wy_page_hash *grown = room > WY_MAX_MANIFEST_PAGES ? NULL : realloc(manifest->pages, room * sizeof *grown);
        if (grown == NULL) {
            return wy_fail(error, WY_TOO_BIG, 0, "manifest", "the image has over %u pages", manifest->page_count);
        }
        manifest->pages = grown;
        manifest->page_room = room;
    }
    manifest->pages[manifest->page_count++] = (wy_page_hash){address | own, wy_hash64(bytes, WY_PAGE, 0)};
    return WY_OK;
}

/* Pages behind the end of a file cannot be read, by anybody: they have no content. */
static int read_page(const wy_memory *memory, uint64_t address, uint8_t *out) {
    return wy_memory_read(memory, address, out, WY_PAGE, NULL) == WY_OK;
}

static void find_syscall(wy_manifest *manifest, const wy_vma *vma, uint64_t address, const uint8_t *bytes) {
    if (manifest->returning || (vma->flags & WY_VMA_EXEC) == 0) {
        return;
    }
    for (uint32_t i = 0; i + 1 < WY_PAGE; i++) {
        if (bytes[i] != 0x0f || bytes[i + 1] != 0x05) {
            continue;
        }
        if (i % 16 == 0 && memcmp(bytes + i, WY_RETURNING_CALL, WY_RETURNING_CALL_BYTES) == 0) {
            manifest->syscall_at = address + i;
            manifest->returning = 1;
            return;
        }
        manifest->syscall_at = manifest->syscall_at != 0 ? manifest->syscall_at : address + i;
    }
}

static wy_status add_file_pages(const wy_memory *memory, const wy_vma *vma, const wy_runs *own, wy_manifest *manifest, wy_error *error) {
    static const uint32_t batch = WY_BATCH_PAGES * WY_PAGE;
    uint8_t *bytes = malloc(batch);
    wy_status status = bytes == NULL ? wy_fail(error, WY_NO_MEMORY, 0, "manifest", "no memory") : WY_OK;
    uint32_t at = 0;
    for (uint64_t start = vma->start; start < vma->end && status == WY_OK; start += batch) {
        uint64_t left = vma->end - start;
        size_t length = left < batch ? (size_t)left : batch;
        int whole = wy_memory_read(memory, start, bytes, length, NULL) == WY_OK;
        for (size_t done = 0; done < length && status == WY_OK; done += WY_PAGE) {
            uint8_t *page = bytes + done;
            uint64_t address = start + done;
            if (!whole && !read_page(memory, address, page)) {
                continue;
            }
            int is_own = wy_runs_hold(own, &at, address);
            find_syscall(manifest, vma, address, page);
            if (!is_own && (vma->flags & WY_VMA_WRITE) == 0) {
                manifest->image_hash = wy_hash64(page, WY_PAGE, manifest->image_hash ^ address);
            }
            status = add_page(manifest, address, page, is_own ? WY_PAGE_OWN : 0, error);
        }
    }
    free(bytes);
    return status;
}

static wy_status add_own_pages(const wy_memory *memory, const wy_runs *own, wy_manifest *manifest, wy_error *error) {
    uint8_t page[WY_PAGE];
    wy_status status = WY_OK;
    for (uint32_t i = 0; i < own->count && status == WY_OK; i++) {
        for (uint64_t address = own->items[i].start; address < own->items[i].end && status == WY_OK; address += WY_PAGE) {
            status = wy_memory_read(memory, address, page, WY_PAGE, error);
            status = status == WY_OK ? add_page(manifest, address, page, WY_PAGE_OWN, error) : status;
        }
    }
    return status;
}

static wy_status add_vma(const wy_memory *memory, const wy_vma *vma, wy_manifest *manifest, wy_error *error) {
    wy_runs own = {0};
    wy_vma shape = *vma;
    if ((vma->flags & (WY_VMA_SHARED | WY_VMA_KERNEL)) != 0) {
        return wy_fail(error, WY_DENIED, 0, "manifest", "the image maps something shared or of the kernel at %" PRIx64, vma->start);
    }
    if ((vma->flags & WY_VMA_STACK) != 0) {
        shape.start = 0; /* grows as its zygote needs it */
    }
    manifest->image_hash = wy_hash64(&shape, sizeof shape, manifest->image_hash);
    wy_status status = wy_pages_own(memory, vma, vma->start, vma->end, &own, NULL, error);
    if (status == WY_OK) {
        status = (vma->flags & WY_VMA_FILE) != 0 ? add_file_pages(memory, vma, &own, manifest, error)
                                                 : add_own_pages(memory, &own, manifest, error);
    }
    wy_runs_free(&own);
    return status;
}

wy_status wy_manifest_make(pid_t zygote, wy_manifest *out, wy_error *error) {
    wy_memory memory;
    *out = (wy_manifest){.cpu_hash = wy_cpu_hash()};
    wy_status status = wy_memory_open(zygote, &memory, error);
    status = status == WY_OK ? wy_vmas_read(zygote, &out->vmas, error) : status;
    for (uint32_t i = 0; i < out->vmas.count && status == WY_OK; i++) {
        status = add_vma(&memory, &out->vmas.items[i], out, error);
    }
    if (status == WY_OK && out->syscall_at == 0) {
        status = wy_fail(error, WY_UNSUPPORTED, 0, "manifest", "the image has no system call instruction");
    }
    wy_memory_close(&memory);
    if (status != WY_OK) {
        wy_manifest_free(out);
    }
    return status;
}

void wy_manifest_free(wy_manifest *manifest) {
    wy_vmas_free(&manifest->vmas);
    free(manifest->pages);
    *manifest = (wy_manifest){0};
}

wy_status wy_manifest_compare(const wy_manifest *a, const wy_manifest *b, wy_runs *differing, wy_error *error) {
    if (a->cpu_hash != b->cpu_hash) {
        return wy_fail(error, WY_DENIED, 0, "processor", "the two nodes' processors offer programs different things");
    }
    if (a->image_hash != b->image_hash) {
        wy_status layout = wy_vmas_equal(&a->vmas, &b->vmas, error);
        return layout != WY_OK ? layout : wy_fail(error, WY_DENIED, 0, "image", "the code or constants of the two images differ");
    }
    uint32_t i = 0, k = 0, sealed = 0;
    wy_status status = WY_OK;
    while ((i < a->page_count || k < b->page_count) && status == WY_OK) {
        const wy_page_hash *x = i < a->page_count ? &a->pages[i] : NULL, *y = k < b->page_count ? &b->pages[k] : NULL;
        uint64_t left = x != NULL ? WY_PAGE_ADDRESS(x) : UINT64_MAX, right = y != NULL ? WY_PAGE_ADDRESS(y) : UINT64_MAX;
        uint64_t address = left < right ? left : right;
        int control = address >= WY_SEAL_STACK && address < WY_SEAL_STACK + WY_SEAL_STACK_BYTES;
        if (address >= WY_SEAL_STACK && !sealed) {
            sealed = 1;
            status = wy_runs_add(differing, WY_SEAL_STACK, WY_SEAL_STACK + WY_SEAL_STACK_BYTES, error);
        }
        if (status == WY_OK && !control && (left != right || x->hash != y->hash)) {
            status = wy_runs_add(differing, address, address + WY_PAGE, error);
        }
        i += left == address;
        k += right == address;
    }
    return status;
}
