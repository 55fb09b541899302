/* Memory: what migration and large heaps need. Numbers that newer kernels know stand here: older headers lack them. */
#include "probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGES 4u
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define FEATURE_WP_UNPOPULATED (UINT64_C(1) << 13)
#define FEATURE_WP_ASYNC (UINT64_C(1) << 15)

typedef struct scan_region {
    uint64_t start, end, categories;
} scan_region;

typedef struct scan_argument { /* struct pm_scan_arg of linux/fs.h since 6.7 */
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
} scan_argument;

#define SCAN_PAGEMAP _IOWR('f', 16, scan_argument)
#define PAGE_IS_PRESENT_BIT (UINT64_C(1) << 3)

static char *map_pages(size_t page) {
    void *pages = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

static int open_userfault(uint64_t features, wy_answer *answer) {
    int handle = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    if (handle < 0) {
        wy_say_errno(answer, "userfaultfd");
        return -1;
    }
    struct uffdio_api api = {.api = UFFD_API, .features = features};
    if (ioctl(handle, UFFDIO_API, &api) != 0) {
        wy_say_errno(answer, "UFFDIO_API");
        return -1;
    }
    return handle;
}

static void userfault(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    char privileged[16];
    wy_first_line("/proc/sys/vm/unprivileged_userfaultfd", privileged, sizeof privileged);
    if (open_userfault(0, answer) >= 0) {
        wy_say(answer, WY_PROBE_YES, "of user-mode faults (vm.unprivileged_userfaultfd %s)",
               privileged[0] != '\0' ? privileged : "unknown");
    }
}

static void write_protect(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = map_pages(page);
    int handle = open_userfault(FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED, answer);
    if (handle < 0 || pages == NULL) {
        return;
    }
    struct uffdio_register area = {.range = {(uintptr_t)pages, PAGES * page}, .mode = UFFDIO_REGISTER_MODE_WP};
    struct uffdio_writeprotect protect = {.range = area.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP};
    if (ioctl(handle, UFFDIO_REGISTER, &area) != 0 || ioctl(handle, UFFDIO_WRITEPROTECT, &protect) != 0) {
        wy_say_errno(answer, "write protection");
        return;
    }
    pages[page] = 1; /* asynchronous: the kernel lifts the protection by itself, else we would hang here */
    wy_say(answer, WY_PROBE_YES, "asynchronous write protection");
}

static void pagemap(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = map_pages(page);
    int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (map < 0 || pages == NULL) {
        wy_say_errno(answer, "/proc/self/pagemap");
        return;
    }
    scan_region found[PAGES];
    scan_argument scan = {.size = sizeof scan, .start = (uintptr_t)pages, .end = (uintptr_t)pages + PAGES * page,
                          .vec = (uintptr_t)found, .vec_len = PAGES, .category_mask = PAGE_IS_PRESENT_BIT,
                          .return_mask = PAGE_IS_PRESENT_BIT};
    (void)madvise(pages, PAGES * page, MADV_NOHUGEPAGE);
    pages[2 * page] = 1;
    int regions = ioctl(map, SCAN_PAGEMAP, &scan);
    if (regions < 0) {
        wy_say_errno(answer, "PAGEMAP_SCAN");
        return;
    }
    int held = regions == 1 && found[0].start == (uintptr_t)pages + 2 * page;
    wy_say(answer, held ? WY_PROBE_YES : WY_PROBE_NO, held ? "finds the page that was written" : "wrong pages found");
}

static void shared_memory(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    struct statvfs facts;
    if (statvfs("/dev/shm", &facts) != 0) {
        wy_say_errno(answer, "/dev/shm");
        return;
    }
    wy_say(answer, WY_PROBE_YES, "%llu MiB, %llu free", (unsigned long long)facts.f_blocks * facts.f_frsize >> 20,
           (unsigned long long)facts.f_bavail * facts.f_frsize >> 20);
}

const wy_check wy_memory_checks[] = {
    {"migration.userfaultfd", userfault, 0},
    {"migration.write_protect", write_protect, 2000},
    {"migration.pagemap_scan", pagemap, 0},
    {"memory.shm", shared_memory, 0},
    {NULL, NULL, 0},
};
