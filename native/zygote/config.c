#include "zygote/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WHOLE_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int write_all(int fd, const void *data, size_t bytes) {
    size_t done = 0;
    while (done < bytes) {
        ssize_t put = write(fd, (const char *)data + done, bytes - done);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return -1;
        }
        done += (size_t)put;
    }
    return 0;
}

wy_status wy_zygote_config_make(const wy_profile *profile, uint32_t image_kind, int migratable, int *out, wy_error *error) {
    size_t filter = profile->filter.len * sizeof(struct sock_filter);
    size_t zygote_filter = profile->zygote_filter.len * sizeof(struct sock_filter);
    if (filter == 0 || zygote_filter == 0) {
        return wy_fail(error, WY_INVALID, 0, "config", "profile %s has no filter: load it with wy_policy_load",
                       profile->name);
    }
    wy_zygote_config config = {
        .magic = WY_ZYGOTE_CONFIG_MAGIC,
        .version = WY_ZYGOTE_CONFIG_VERSION,
        .bytes = (uint32_t)(sizeof config + filter + zygote_filter),
        .image_kind = image_kind,
        .files = profile->files != 0,
        .own_network = profile->own_network != 0,
        .own_root = profile->root[0] != '\0',
        .pids = profile->pids,
        .open_files = profile->open_files,
        .filter_count = profile->filter.len,
        .zygote_filter_count = profile->zygote_filter.len,
        .tmpfs_bytes = profile->disk_bytes, /* the most: each worker is told its own */
        .file_bytes = profile->file_bytes,
        .network = profile->network,
        .overlay = profile->overlay != 0,
        .migratable = migratable != 0,
    };
    int fd = memfd_create("wayang-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return wy_fail(error, WY_SYSTEM, errno, "config", "memfd_create: %s", strerror(errno));
    }
    if (write_all(fd, &config, sizeof config) != 0 || write_all(fd, profile->filter.filter, filter) != 0 ||
        write_all(fd, profile->zygote_filter.filter, zygote_filter) != 0 || fcntl(fd, F_ADD_SEALS, WHOLE_SEALS) != 0) {
        wy_status status = wy_fail(error, WY_SYSTEM, errno, "config", "cannot write: %s", strerror(errno));
        (void)close(fd);
        return status;
    }
    *out = fd;
    return WY_OK;
}

static int is_sound(const wy_zygote_config *config, off_t size) {
    uint64_t instructions = (uint64_t)config->filter_count + config->zygote_filter_count;
    return config->magic == WY_ZYGOTE_CONFIG_MAGIC && config->version == WY_ZYGOTE_CONFIG_VERSION &&
           (off_t)config->bytes == size && config->filter_count > 0 && config->filter_count <= WY_PROFILE_MAX_FILTER &&
           config->zygote_filter_count > 0 && config->zygote_filter_count <= WY_PROFILE_MAX_FILTER &&
           sizeof *config + instructions * sizeof(struct sock_filter) == config->bytes && config->files <= 1 &&
           config->own_network <= 1 && config->own_root <= 1 && config->overlay <= config->own_root && config->migratable <= 1 && config->reserved == 0 && config->network <= WY_NETWORK_HOST && config->tmpfs_bytes > 0 && config->open_files > 0;
}

wy_status wy_zygote_config_read(int fd, wy_zygote_config *out, struct sock_fprog *filter,
                                struct sock_fprog *zygote_filter, wy_error *error) {
    struct stat facts;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & WHOLE_SEALS) != WHOLE_SEALS || fstat(fd, &facts) != 0) {
        return wy_fail(error, WY_CORRUPT, 0, "config", "the configuration is not sealed");
    }
    if (pread(fd, out, sizeof *out, 0) != (ssize_t)sizeof *out || !is_sound(out, facts.st_size)) {
        return wy_fail(error, WY_CORRUPT, 0, "config", "the configuration is malformed");
    }
    size_t bytes = out->bytes - sizeof *out;
    struct sock_filter *code = malloc(bytes);
    if (code == NULL || pread(fd, code, bytes, (off_t)sizeof *out) != (ssize_t)bytes) {
        free(code);
        return wy_fail(error, WY_NO_MEMORY, 0, "config", "cannot read the filters");
    }
    *filter = (struct sock_fprog){(unsigned short)out->filter_count, code};
    *zygote_filter = (struct sock_fprog){(unsigned short)out->zygote_filter_count, code + out->filter_count};
    return WY_OK;
}
