/* The mappings of a process, as /proc/PID/maps shows them: read with a bound, validated, in order of address. What belongs to
 * the channel or to the kernel alone is left out: it is not the worker's to carry. */
#ifndef WAYANG_CHECKPOINT_VMA_H
#define WAYANG_CHECKPOINT_VMA_H

#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

#define WY_PAGE 4096u
#define WY_MAX_VMAS 16384u
#define WY_ADDRESS_END UINT64_C(0x7ffffffff000) /* of user space */

#define WY_VMA_READ 0x1u
#define WY_VMA_WRITE 0x2u
#define WY_VMA_EXEC 0x4u
#define WY_VMA_PROTECTION 0x7u /* the same bits as PROT_* */
#define WY_VMA_SHARED 0x8u
#define WY_VMA_FILE 0x10u
#define WY_VMA_STACK 0x20u /* the one that grows */
#define WY_VMA_KERNEL 0x40u /* vDSO, vvar: different on every kernel */
#define WY_VMA_KNOWN 0x7fu

typedef struct wy_vma {
    uint64_t start, end;
    uint64_t offset;    /* in its file; 0 without one */
    uint64_t name_hash; /* of its file's name; 0 without one */
    uint32_t flags;     /* WY_VMA_* */
    uint32_t reserved;
} wy_vma;

typedef struct wy_vmas {
    wy_vma *items; /* allocated; wy_vmas_free */
    uint32_t count;
} wy_vmas;

/* Neighbours of one kind and protection come as one. WY_TOO_BIG beyond WY_MAX_VMAS; WY_CLOSED when the process is gone. */
wy_status wy_vmas_read(pid_t pid, wy_vmas *out, wy_error *error);
void wy_vmas_free(wy_vmas *vmas);

/* Whether a list from outside is one that wy_vmas_read could have made. */
wy_status wy_vmas_check(const wy_vmas *vmas, wy_error *error);

/* The mapping that holds `address`, or the next one behind it; NULL behind the last. */
const wy_vma *wy_vmas_find(const wy_vmas *vmas, uint64_t address);

/* Whether both show the same bytes as long as nobody writes: no file, or one file at places that correspond. */
int wy_vma_same_kind(const wy_vma *a, const wy_vma *b);

/* Whether `vmas` has exactly this mapping. */
int wy_vmas_have(const wy_vmas *vmas, const wy_vma *vma);

/* Whether two lists are equal; else says where they part. */
wy_status wy_vmas_equal(const wy_vmas *a, const wy_vmas *b, wy_error *error);

#endif
