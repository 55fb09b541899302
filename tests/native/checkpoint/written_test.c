/* PS4: which pages of a process are its own, and which of these were written since they were marked, told by one walk: every way in which a page of
 * a watched mapping can change, and some in which it does not. The child does one of them to each page. */
#include "../check.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint/pages.h"
#include "checkpoint/written.h"

#define PAGES 16u
#define SKIPPED 77

/* Where a child's system calls on our behalf are made. */
__asm__(".text\n.globl test_syscall\ntest_syscall: syscall\nret\n");
extern const char test_syscall[];

typedef enum page_change {
    LEFT,     /* as it was when it was marked */
    WRITTEN,  /* again */
    DROPPED,  /* thrown out */
    RENEWED,  /* thrown out, then written */
    REPLACED, /* by another mapping at its place, and written */
    LOOKED_AT /* thrown out, then read: a file's page, or the page of zeros */
} page_change;

static const page_change s_changes[PAGES] = {LEFT, WRITTEN, LEFT, DROPPED, LEFT, RENEWED, RENEWED, LEFT,
                                             LEFT, LOOKED_AT, LEFT, REPLACED, REPLACED, LEFT, WRITTEN, DROPPED};

static uint8_t *s_memory, *s_file; /* at the same place in parent and child */
static int s_go[2], s_said[2];

static void change(uint8_t *page, page_change how) {
    if (how == DROPPED || how == RENEWED || how == LOOKED_AT) {
        (void)madvise(page, WY_PAGE, MADV_DONTNEED);
    } else if (how == REPLACED) {
        (void)mmap(page, WY_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    }
    if (how == WRITTEN || how == RENEWED || how == REPLACED) {
        *page = 3;
    } else if (how == LOOKED_AT) {
        (void)*(volatile uint8_t *)page;
    }
}

static void behave(void) {
    char word = 0;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    memset(s_memory, 1, PAGES * WY_PAGE);
    memset(s_file, 1, PAGES * WY_PAGE);
    (void)!write(s_said[1], "r", 1);
    (void)!read(s_go[0], &word, 1);
    for (uint32_t i = 0; i < PAGES; i++) {
        change(s_memory + i * WY_PAGE, s_changes[i]);
        change(s_file + i * WY_PAGE, s_changes[i]);
    }
    (void)!write(s_said[1], "d", 1);
    for (;;) {
        (void)pause();
    }
}

static int holds(const wy_runs *runs, const uint8_t *page) {
    uint32_t at = 0;
    return wy_runs_hold(runs, &at, (uint64_t)(uintptr_t)page);
}

/* Every page of a mapping, or of what replaced a part of it. */
static void compare(const wy_tracee *tracee, const wy_vmas *vmas, const uint8_t *mapping, int file) {
    wy_runs own = {0}, written = {0};
    uint64_t first = (uint64_t)(uintptr_t)mapping, last = first + (uint64_t)PAGES * WY_PAGE;
    for (uint32_t i = 0; i < vmas->count; i++) {
        const wy_vma *vma = &vmas->items[i];
        uint64_t start = vma->start > first ? vma->start : first, end = vma->end < last ? vma->end : last;
        CHECK(start >= end || wy_pages_own(&tracee->memory, vma, start, end, &own, &written, NULL) == WY_OK);
    }
    for (uint32_t i = 0; i < PAGES; i++) {
        const uint8_t *page = mapping + (size_t)i * WY_PAGE;
        page_change how = s_changes[i];
        int is_own = holds(&own, page), is_written = holds(&written, page);
        CHECK(!is_written || is_own);
        if (how == LEFT) {
            CHECK(is_own && !is_written);
        } else if (how == DROPPED || how == LOOKED_AT) { /* of a file's page the mark may stay, and be one's own: never as it was */
            CHECK(is_written == is_own && (file || !is_own));
        } else {
            CHECK(is_own && is_written);
        }
    }
    wy_runs_free(&own);
    wy_runs_free(&written);
}

static wy_status watch(pid_t pid, wy_written *out, wy_error *error) {
    wy_tracee tracee;
    wy_vmas vmas = {0};
    wy_runs marked = {0}, lost = {0};
    wy_status status = wy_tracee_freeze(pid, (uint64_t)(uintptr_t)test_syscall, 1, &tracee, error);
    if (status != WY_OK) {
        return status;
    }
    status = wy_written_open(&tracee, out, error);
    status = status == WY_OK ? wy_vmas_read(pid, &vmas, error) : status;
    status = status == WY_OK ? wy_written_watch(out, &vmas, error) : status;
    status = status == WY_OK ? wy_written_find(out, &tracee.memory, &marked, &lost, error) : status;
    CHECK(status != WY_OK || (holds(&marked, s_memory) && holds(&marked, s_file) && lost.count == 0));
    wy_runs_free(&marked);
    wy_runs_free(&lost);
    wy_vmas_free(&vmas);
    wy_tracee_close(&tracee);
    return status;
}

static void look(pid_t pid) {
    wy_tracee tracee;
    wy_vmas vmas = {0};
    CHECK(wy_tracee_freeze(pid, (uint64_t)(uintptr_t)test_syscall, 1, &tracee, NULL) == WY_OK);
    CHECK(wy_vmas_read(pid, &vmas, NULL) == WY_OK);
    compare(&tracee, &vmas, s_memory, 0);
    compare(&tracee, &vmas, s_file, 1);
    wy_vmas_free(&vmas);
    wy_tracee_close(&tracee);
}

int main(void) {
    wy_error error = {0};
    wy_written written = WY_NOTHING_WATCHED;
    char word = 0;
    int file = memfd_create("mapped", MFD_CLOEXEC);
    size_t bytes = (size_t)PAGES * WY_PAGE;
    if (file < 0 || ftruncate(file, (off_t)bytes) != 0 || pipe(s_go) != 0 || pipe(s_said) != 0) {
        return 1;
    }
    s_memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    s_file = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    pid_t pid = fork();
    if (pid == 0) {
        behave();
    }
    CHECK(read(s_said[0], &word, 1) == 1);
    wy_status status = watch(pid, &written, &error);
    if (status == WY_OK) {
        CHECK(write(s_go[1], "g", 1) == 1 && read(s_said[0], &word, 1) == 1);
        look(pid);
        check_done("own and written pages");
    } else {
        (void)dprintf(1, "--   %s: %s\n", error.where, error.message);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    wy_written_close(&written);
    return status == WY_UNSUPPORTED ? SKIPPED : status == WY_OK && check_failures == 0 ? 0 : 1;
}
