#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "interop/interop.h"

void wayang_prefer_large_pages(void *address, int64_t length) {
    /* The kernel wants a page's boundary; what lies before it has small pages. */
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)address + page - 1) & ~(page - 1);
    uintptr_t to = ((uintptr_t)address + (uintptr_t)length) & ~(page - 1);
    if (to > from) {
        (void)madvise((void *)from, to - from, MADV_HUGEPAGE); // NOLINT(performance-no-int-to-ptr)
    }
}

void wayang_touch_pages(void *address, int64_t length) {
    /* An OR of nothing is a write to the kernel and none to whoever else writes there. Not MADV_POPULATE_WRITE: that holds the address space's lock, which
     * everybody needs who maps something meanwhile. */
    int64_t page = sysconf(_SC_PAGESIZE);
    for (int64_t at = 0; at < length; at += page) {
        (void)__atomic_fetch_or((unsigned char *)address + at, 0, __ATOMIC_RELAXED);
    }
    if (length > 0) {
        (void)__atomic_fetch_or((unsigned char *)address + length - 1, 0, __ATOMIC_RELAXED);
    }
}
