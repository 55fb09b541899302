/* The image that a zygote holds and the loop of a call worker. */
#ifndef WAYANG_WORKER_WORKER_H
#define WAYANG_WORKER_WORKER_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "channel/layout.h"

#define WY_IMAGE_MAX_FUNCTIONS 1024u

typedef struct wy_image wy_image; /* opaque; allocated by wy_image_load, lives as long as the process */

/* dlopens the plugin at `path` (RTLD_NOW | RTLD_LOCAL), checks its ABI version, runs wayang_plugin_init, records its
 * functions in registration order. Refuses an image that leaves a second thread behind. Called once, in the zygote. */
wy_status wy_image_load(const char *path, wy_image **out, wy_error *error);

/* The same for a Python module: `adapter` is the path of wayang_python.so, `source` what python/source.h describes, `files`
 * whether the workers will see the profile's files (imports go on to work). On failure `detail` (of `detail_bytes`) may hold
 * more lines than the error has room for: a traceback. Called once, in the zygote. */
wy_status wy_image_load_python(const char *adapter, const void *source, size_t source_bytes, int files, wy_image **out,
                               char *detail, size_t detail_bytes, wy_error *error);
uint32_t wy_image_function_count(const wy_image *image);
const char *wy_image_function_name(const wy_image *image, uint32_t index);

/* Checks both headers (magic, version, geometry against the files' sizes). Called in the worker after both files were
 * mapped at their fixed addresses and before the seccomp filter. */
wy_status wy_worker_open(const wy_channel_header *d, uint64_t d_bytes, wy_channel_header *w, uint64_t w_bytes,
                         wy_error *error);

/* Serves requests until WY_SLOT_STOP or corruption; returns the exit code of the process. Uses no descriptor but
 * WY_WORKER_FD_DOORBELL; makes no system call outside the `compute` profile. Writes WY_SLOT_READY first. */
int wy_worker_run(wy_image *image, const wy_channel_header *d, wy_channel_header *w);

#endif
