/* What a sealed image is: its mappings, and a hash of each page that has content. Made once, when the zygote is sealed; two
 * zygotes of one image, on one node or on two, compare theirs before anything moves between their workers. */
#ifndef WAYANG_CHECKPOINT_MANIFEST_H
#define WAYANG_CHECKPOINT_MANIFEST_H

#include "checkpoint/memory.h"
#include "checkpoint/pages.h"
#include "checkpoint/vma.h"

/* Where a sealed zygote's own loop has its stack: apart from the stack that its workers get, which therefore stays as it was. Its pages
 * always travel. */
#define WY_SEAL_STACK UINT64_C(0x7e0030000000)
#define WY_SEAL_STACK_BYTES UINT64_C(0x10000)

#define WY_MAX_MANIFEST_PAGES (1u << 22)

typedef struct wy_page_hash {
    uint64_t address; /* bit 0: the page is the zygote's own, not its file's */
    uint64_t hash;
} wy_page_hash;

#define WY_PAGE_OWN UINT64_C(1)
#define WY_PAGE_ADDRESS(page) ((page)->address & ~(uint64_t)(WY_PAGE - 1))

typedef struct wy_manifest {
    /* Of the layout and of the content of all code and constants: equal for zygotes whose workers can continue each other's
     * work. Pages of their own may differ (they travel then). */
    uint64_t image_hash;
    uint64_t cpu_hash;   /* of what programs can see of the processor: code chosen for one runs on an equal one only */
    uint64_t syscall_at; /* address of a system call instruction: of the one that returns by itself (frame.h), if there is one */
    int returning;
    wy_vmas vmas;
    wy_page_hash *pages; /* by rising address */
    uint32_t page_count, page_room;
} wy_manifest;

/* Reads the whole image: milliseconds. The zygote must be sealed: waiting, and changing nothing but its control stack. */
wy_status wy_manifest_make(pid_t zygote, wy_manifest *out, wy_error *error);

/* To another node and from there: what is read is complete, in order and bounded, or refused. It has no syscall_at. */
wy_status wy_manifest_write(const wy_manifest *manifest, int fd, uint64_t *bytes, wy_error *error);
wy_status wy_manifest_read(int fd, wy_manifest *out, wy_error *error);
void wy_manifest_free(wy_manifest *manifest);

/* Whether workers of one can go on in the other; `differing` gets the pages that are not equal in both: they always travel.
 * WY_DENIED says what is different: layout, code or processor. */
wy_status wy_manifest_compare(const wy_manifest *a, const wy_manifest *b, wy_runs *differing, wy_error *error);

uint64_t wy_cpu_hash(void);

#endif
