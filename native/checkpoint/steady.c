#include "checkpoint/steady.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "checkpoint/tracee.h"
#include "checkpoint/vma.h"

#define MAX_WORDS 4096u /* of arguments, environment and auxiliary vector */

int wy_steady_prepare(void) {
    struct rlimit stack;
    if (getrlimit(RLIMIT_STACK, &stack) != 0) {
        return -1;
    }
    stack.rlim_cur = WY_STEADY_STACK_BYTES;
    if (stack.rlim_max < stack.rlim_cur) {
        errno = EINVAL;
        return -1;
    }
    if (setrlimit(RLIMIT_STACK, &stack) != 0 || personality(ADDR_NO_RANDOMIZE) < 0) {
        return -1;
    }
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : -1;
}

static wy_status fix_vector(const wy_tracee *tracee, const uint8_t *random, wy_error *error) {
    uint64_t at = tracee->registers.general.rsp, word = 0, pair[2] = {1, 0};
    uint32_t nulls = 0, fixed = 0;
    wy_status status = WY_OK;
    at += sizeof word; /* the number of arguments; then those, a NULL, the environment, a NULL */
    for (uint32_t i = 0; i < MAX_WORDS && nulls < 2 && status == WY_OK; i++, at += sizeof word) {
        status = wy_memory_read(&tracee->memory, at, &word, sizeof word, error);
        nulls += word == 0;
    }
    for (uint32_t i = 0; i < MAX_WORDS && pair[0] != AT_NULL && status == WY_OK; i++, at += sizeof pair) {
        status = wy_memory_read(&tracee->memory, at, pair, sizeof pair, error);
        if (status == WY_OK && pair[0] == AT_RANDOM) {
            status = wy_memory_write(&tracee->memory, pair[1], random, WY_STEADY_RANDOM_BYTES, error);
            fixed++;
        } else if (status == WY_OK && pair[0] == AT_SYSINFO_EHDR) {
            const uint64_t ignore = AT_IGNORE;
            status = wy_memory_write(&tracee->memory, at, &ignore, sizeof ignore, error);
        }
    }
    return status != WY_OK || fixed == 1 ? status : wy_fail(error, WY_UNSUPPORTED, 0, "steady", "the kernel gave no AT_RANDOM");
}

/* In the program interpreter's code, the only one that is mapped yet and always makes system calls. */
static wy_status find_syscall(wy_tracee *tracee, const wy_vmas *vmas, wy_error *error) {
    uint8_t bytes[WY_PAGE];
    for (uint32_t i = 0; i < vmas->count; i++) {
        const wy_vma *vma = &vmas->items[i];
        if ((vma->flags & WY_VMA_EXEC) == 0 || (vma->flags & WY_VMA_FILE) == 0) {
            continue;
        }
        for (uint64_t at = vma->start; at < vma->end && wy_memory_read(&tracee->memory, at, bytes, sizeof bytes, NULL) == WY_OK;
             at += WY_PAGE) {
            for (uint32_t k = 0; k + 1 < WY_PAGE; k++) {
                if (bytes[k] == 0x0f && bytes[k + 1] == 0x05) {
                    tracee->syscall_at = at + k;
                    return WY_OK;
                }
            }
        }
    }
    return wy_fail(error, WY_UNSUPPORTED, 0, "steady", "no system call instruction in the program");
}

static wy_status unmap_kernel_pages(wy_tracee *tracee, const wy_vmas *vmas, wy_error *error) {
    wy_status status = WY_OK;
    for (uint32_t i = 0; i < vmas->count && status == WY_OK; i++) {
        const wy_vma *vma = &vmas->items[i];
        int64_t result = 0;
        if ((vma->flags & WY_VMA_KERNEL) != 0) {
            status = wy_tracee_call(tracee, SYS_munmap, (uint64_t[6]){vma->start, vma->end - vma->start}, &result, error);
            if (status == WY_OK && result != 0) {
                status = wy_fail(error, WY_UNSUPPORTED, (int)-result, "steady", "the vDSO cannot be unmapped: %s", strerror((int)-result));
            }
        }
    }
    return status;
}

wy_status wy_steady_start(pid_t child, const uint8_t random[WY_STEADY_RANDOM_BYTES], wy_error *error) {
    wy_tracee tracee;
    wy_vmas vmas = {0};
    wy_status status = wy_tracee_adopt(child, &tracee, error);
    if (status != WY_OK) {
        return status;
    }
    status = wy_vmas_read(child, &vmas, error);
    status = status == WY_OK ? fix_vector(&tracee, random, error) : status;
    status = status == WY_OK ? find_syscall(&tracee, &vmas, error) : status;
    status = status == WY_OK ? unmap_kernel_pages(&tracee, &vmas, error) : status;
    status = status == WY_OK ? wy_tracee_go(&tracee, error) : status;
    wy_vmas_free(&vmas);
    wy_tracee_close(&tracee);
    return status;
}
