/* Which pages a process writes while it runs. The kernel keeps the count (userfaultfd, asynchronous write protection, Linux 6.7): nothing is
 * asked of the process, and no write of it waits for anybody. The descriptor that the kernel wants the process itself to make is made by it
 * while it stands still, with its filter set aside for that one call, taken from it and closed there before it goes on: its code never has one.
 * A page counts as written until the kernel's mark says that it is not; what is not watched counts as written. */
#ifndef WAYANG_CHECKPOINT_WRITTEN_H
#define WAYANG_CHECKPOINT_WRITTEN_H

#include "checkpoint/pages.h"
#include "checkpoint/tracee.h"
#include "checkpoint/vma.h"

#define WY_WRITTEN_FLAGS UINT64_C(0x80801) /* of the call that it makes: O_CLOEXEC, O_NONBLOCK, UFFD_USER_MODE_ONLY */

typedef struct wy_written {
    int fd;
    wy_vmas watched; /* what was registered, as it was at that time */
} wy_written;

#define WY_NOTHING_WATCHED ((wy_written){.fd = -1})

/* Of a frozen tracee. WY_UNSUPPORTED: this kernel cannot, or this process may not (CAP_SYS_ADMIN, to set the filter aside); the tracee is as it
 * was. Needs CAP_SYS_ADMIN in the permitted set only. */
wy_status wy_written_open(wy_tracee *tracee, wy_written *out, wy_error *error);

/* Closes what one who was lost in the middle of wy_written_open left with the process. Frozen. */
wy_status wy_written_sweep(wy_tracee *tracee, wy_error *error);

/* Watches these mappings, once; what cannot be watched is left out. The process may run. */
wy_status wy_written_watch(wy_written *written, const wy_vmas *vmas, wy_error *error);

/* Adds the process's own pages that were written since they were marked, by rising addresses, and marks them, so that the next write shows; `lost`
 * gets what may have been marked without being told, as its mapping was replaced meanwhile. What is another mapping by now than the one that was
 * watched is passed: wy_pages_own takes it as written. */
wy_status wy_written_find(const wy_written *written, const wy_memory *memory, wy_runs *out, wy_runs *lost, wy_error *error);

void wy_written_close(wy_written *written);

#endif
