/* The source of a Python image: what image.put made of a file and its preload list. One sealed memory file:
 *   wy_python_source, then `preload_count` names, each NUL-terminated, `preload_bytes` in all; then the file's name,
 *   NUL-terminated, `name_bytes` in all; then `code_bytes` of UTF-8.
 * The sha256 of the whole is the image's identity: the same code with other modules preloaded is another image.
 * Written by src/Wayang.Fast.Execution/Images/PythonSource.cs; whoever reads it validates it. */
#ifndef WAYANG_PYTHON_SOURCE_H
#define WAYANG_PYTHON_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define WY_PYTHON_MAGIC UINT64_C(0x31474D4959505957) /* "WYPYIMG1" */
#define WY_PYTHON_VERSION 1u
#define WY_PYTHON_MAX_PRELOAD 64u
#define WY_PYTHON_MAX_MODULE_BYTES 128u /* of a module's dotted name, NUL included */
#define WY_PYTHON_MAX_NAME_BYTES 64u    /* of the file's name, NUL included */
#define WY_PYTHON_MAX_CODE_BYTES (1024u * 1024u)

typedef struct wy_python_source {
    uint64_t magic;
    uint32_t version;
    uint32_t preload_count;
    uint32_t preload_bytes;
    uint32_t name_bytes;
    uint32_t code_bytes;
    uint32_t reserved; /* 0 */
} wy_python_source;

_Static_assert(sizeof(wy_python_source) == 32, "source");

#define WY_PYTHON_MAX_SOURCE_BYTES                                                                                     \
    (sizeof(wy_python_source) + WY_PYTHON_MAX_PRELOAD * WY_PYTHON_MAX_MODULE_BYTES + WY_PYTHON_MAX_NAME_BYTES +        \
     WY_PYTHON_MAX_CODE_BYTES)

/* The parts, pointing into the bytes that were read. */
typedef struct wy_python_parts {
    uint32_t preload_count;
    const char *preload[WY_PYTHON_MAX_PRELOAD];
    const char *name; /* of the file, for tracebacks: [A-Za-z0-9._-] */
    const char *code;
    size_t code_bytes;
} wy_python_parts;

/* Checks every length and every name; the code is only found to be free of NUL. */
wy_status wy_python_source_read(const void *bytes, size_t length, wy_python_parts *out, wy_error *error);

#endif
