/* What a zygote must know of its profile: a sealed memfd made by the spawner, validated by the zygote. */
#ifndef WAYANG_ZYGOTE_CONFIG_H
#define WAYANG_ZYGOTE_CONFIG_H

#include <linux/filter.h>
#include <stdint.h>

#include "base/status.h"
#include "sandbox/profile.h"

/* Descriptors of a freshly exec'd zygote; 0 to 2 are /dev/null. */
#define WY_ZYGOTE_FD_CONTROL 3
#define WY_ZYGOTE_FD_CONFIG 4
#define WY_ZYGOTE_FD_SOURCE 5 /* open only for images that have one */
#define WY_ZYGOTE_FD_PYTHON 6 /* wayang_python.so; open only for Python images */

#define WY_ZYGOTE_CONFIG_MAGIC UINT64_C(0x31474643435A5957) /* "WYZCCFG1" */
#define WY_ZYGOTE_CONFIG_VERSION 4u

/* Followed by `filter_count`, then `zygote_filter_count` instructions. */
typedef struct wy_zygote_config {
    uint64_t magic;
    uint32_t version;
    uint32_t bytes; /* of the whole file */
    uint32_t image_kind;
    uint32_t files;
    uint32_t own_network;
    uint32_t pids;
    uint32_t open_files;
    uint32_t filter_count;
    uint32_t zygote_filter_count;
    uint32_t own_root; /* the workers' root stands at WY_OWN_ROOT */
    uint64_t tmpfs_bytes;
    uint64_t file_bytes;
    uint32_t network; /* wy_network */
    uint32_t overlay; /* workers enter it one by one, each with an overlay of its own */
    uint32_t migratable; /* it serves on a stack apart, so that its image never changes (checkpoint/manifest.h) */
    uint32_t reserved;
} wy_zygote_config;

_Static_assert(sizeof(wy_zygote_config) == 80, "config");

/* Returns the descriptor in *out. */
wy_status wy_zygote_config_make(const wy_profile *profile, uint32_t image_kind, int migratable, int *out, wy_error *error);

/* Reads and validates; the instructions are allocated and live as long as the process. */
wy_status wy_zygote_config_read(int fd, wy_zygote_config *out, struct sock_fprog *filter,
                                struct sock_fprog *zygote_filter, wy_error *error);

#endif
