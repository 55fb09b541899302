#include "python/source.h"

#include <string.h>

static int is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Dotted identifiers: nothing that could be taken for a path. */
static int module_is_good(const char *name) {
    int begins = 1;
    for (; *name != '\0'; name++) {
        if (*name == '.') {
            if (begins) {
                return 0;
            }
            begins = 1;
        } else if (is_letter(*name) || (is_digit(*name) && !begins)) {
            begins = 0;
        } else {
            return 0;
        }
    }
    return !begins;
}

static int name_is_good(const char *name) {
    if (*name == '\0' || *name == '.') {
        return 0;
    }
    for (; *name != '\0'; name++) {
        if (!is_letter(*name) && !is_digit(*name) && *name != '.' && *name != '-') {
            return 0;
        }
    }
    return 1;
}

static wy_status malformed(wy_error *error, const char *what) {
    return wy_fail(error, WY_CORRUPT, 0, "source", "the image's source is malformed: %s", what);
}

static wy_status read_preload(const char *at, const wy_python_source *header, wy_python_parts *out, wy_error *error) {
    const char *end = at + header->preload_bytes;
    for (uint32_t i = 0; i < header->preload_count; i++) {
        size_t length = strnlen(at, (size_t)(end - at));
        if (length == (size_t)(end - at) || length >= WY_PYTHON_MAX_MODULE_BYTES || !module_is_good(at)) {
            return malformed(error, "a name in its preload list");
        }
        out->preload[i] = at;
        at += length + 1;
    }
    out->preload_count = header->preload_count;
    return at == end ? WY_OK : malformed(error, "the length of its preload list");
}

wy_status wy_python_source_read(const void *bytes, size_t length, wy_python_parts *out, wy_error *error) {
    wy_python_source header;
    memset(out, 0, sizeof *out);
    if (length < sizeof header || length > WY_PYTHON_MAX_SOURCE_BYTES) {
        return malformed(error, "its size");
    }
    memcpy(&header, bytes, sizeof header);
    if (header.magic != WY_PYTHON_MAGIC || header.version != WY_PYTHON_VERSION || header.reserved != 0) {
        return malformed(error, "magic or version are not ours");
    }
    if (header.preload_count > WY_PYTHON_MAX_PRELOAD ||
        header.preload_bytes > WY_PYTHON_MAX_PRELOAD * WY_PYTHON_MAX_MODULE_BYTES || header.name_bytes < 2 ||
        header.name_bytes > WY_PYTHON_MAX_NAME_BYTES || header.code_bytes > WY_PYTHON_MAX_CODE_BYTES ||
        sizeof header + (uint64_t)header.preload_bytes + header.name_bytes + header.code_bytes != length) {
        return malformed(error, "its lengths");
    }
    const char *preload = (const char *)bytes + sizeof header;
    const char *name = preload + header.preload_bytes;
    wy_status status = read_preload(preload, &header, out, error);
    if (status != WY_OK) {
        return status;
    }
    if (strnlen(name, header.name_bytes) != header.name_bytes - 1 || !name_is_good(name)) {
        return malformed(error, "the file's name");
    }
    out->name = name;
    out->code = name + header.name_bytes;
    out->code_bytes = header.code_bytes;
    return memchr(out->code, '\0', out->code_bytes) == NULL ? WY_OK : malformed(error, "a NUL in the code");
}
