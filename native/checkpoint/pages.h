/* Which pages of a process are its own (anonymous), and which of those it shares with its zygote. */
#ifndef WAYANG_CHECKPOINT_PAGES_H
#define WAYANG_CHECKPOINT_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include "checkpoint/memory.h"
#include "checkpoint/vma.h"

#define WY_MAX_RUNS (1u << 22)
#define WY_BATCH_PAGES 64u /* compared, copied and told at a time */

/* Ranges of whole pages in order of address, which do not touch. */
typedef struct wy_run {
    uint64_t start, end;
} wy_run;

typedef struct wy_runs {
    wy_run *items; /* allocated; wy_runs_free */
    uint32_t count, room;
} wy_runs;

/* Behind or touching the last one. WY_NO_MEMORY, WY_TOO_BIG. */
wy_status wy_runs_add(wy_runs *runs, uint64_t start, uint64_t end, wy_error *error);
void wy_runs_free(wy_runs *runs);

/* Walks a list by rising addresses: whether `address` lies in it. *at starts as 0 and is the walk's own. */
int wy_runs_hold(const wy_runs *runs, uint32_t *at, uint64_t address);

/* Sets (runs.c): `runs` with those of `more`; what of `runs` is not in `taken`, added to `out`; how many pages. */
wy_status wy_runs_join(wy_runs *runs, const wy_runs *more, wy_error *error);
wy_status wy_runs_less(const wy_runs *runs, const wy_runs *taken, wy_runs *out, wy_error *error);
uint64_t wy_runs_pages(const wy_runs *runs);

/* Where the walk of wy_runs_hold may begin for `address` and those behind it. */
uint32_t wy_runs_seek(const wy_runs *runs, uint64_t address);

/* Adds to `own` the pages of [start, end), which lies in the mapping `vma`, that hold something of the process's own: present or swapped out, no
 * file's; and to `written`, unless it is NULL, those of them that were written since they were marked (written.h), or that nobody watches. All that
 * by one walk: PAGEMAP_SCAN (Linux 6.7), which passes holes; else reads entry by entry, refuses ranges over 256 GiB, and takes all as written. A
 * guard page (MADV_GUARD_INSTALL), which no copy would have, is WY_DENIED. The mapping stays while it is looked at. */
wy_status wy_pages_own(const wy_memory *memory, const wy_vma *vma, uint64_t start, uint64_t end, wy_runs *own, wy_runs *written, wy_error *error);

/* For up to WY_BATCH_PAGES pages: bit i of *same is set when page i certainly has the same bytes in both, because it is one
 * frame of memory: the frames' numbers are equal, the page is mapped more than once, and it was so before and after the look at
 * the zygote (a page that is moved could otherwise seem to be another). *told is 0 where the kernel hides the numbers (no
 * CAP_SYS_ADMIN): then bytes must be compared. */
wy_status wy_pages_shared(const wy_memory *worker, const wy_memory *zygote, uint64_t start, uint32_t count, uint64_t *same, int *told,
                          wy_error *error);

/* Whether this process alone maps each of up to WY_BATCH_PAGES pages. It stands still. */
int wy_pages_exclusive(const wy_memory *memory, uint64_t start, uint32_t count);

/* The same by the bytes, for ranges that can be read in both; else WY_SYSTEM. */
wy_status wy_pages_compare(const wy_memory *worker, const wy_memory *zygote, uint64_t start, uint32_t count, uint64_t *same);

#endif
