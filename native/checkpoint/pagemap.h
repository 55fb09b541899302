/* PAGEMAP_SCAN, as linux/fs.h of Linux 6.7 has it; older headers lack it. Includers need sys/ioctl.h. */
#ifndef WAYANG_CHECKPOINT_PAGEMAP_H
#define WAYANG_CHECKPOINT_PAGEMAP_H

#include <linux/types.h>
#include <stdint.h>

typedef struct scan_region {
    uint64_t start, end, categories;
} scan_region;
typedef struct scan_request {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted, category_mask, category_anyof_mask,
        return_mask;
} scan_request;
#define SCAN_IOCTL _IOWR('f', 16, scan_request)
#define SCAN_WATCHED (1u << 0) /* PAGE_IS_WPALLOWED */
#define SCAN_WRITTEN (1u << 1)
#define SCAN_FILE (1u << 2) /* for this the kernel looks at the page itself, which takes ten times as long as all the rest */
#define SCAN_PRESENT (1u << 3)
#define SCAN_SWAPPED (1u << 4)
#define SCAN_ZERO (1u << 5)
#define SCAN_REGIONS 512u /* one call with more than this many has been seen to tell a wrong place to go on */

#endif
