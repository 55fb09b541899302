#include "init/arguments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spawner/protocol.h"

#define WHOLE_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

typedef struct file_header {
    uint32_t magic, argc, envc, flags;
} file_header;

static wy_status malformed(wy_error *error, const char *what) {
    return wy_fail(error, WY_CORRUPT, 0, "arguments", "%s", what);
}

/* A private copy with a NUL behind it; *bytes counts the file's own. */
static wy_status copy_file(int fd, char **out, size_t *bytes, wy_error *error) {
    struct stat facts;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & WHOLE_SEALS) != WHOLE_SEALS || fstat(fd, &facts) != 0) {
        return malformed(error, "the file is not a memory file sealed WRITE, SHRINK, GROW and SEAL");
    }
    if (facts.st_size < (off_t)sizeof(file_header) || facts.st_size > (off_t)WY_ARGUMENTS_MAX_BYTES) {
        return malformed(error, "the file is shorter than its header or over 2 MiB");
    }
    *bytes = (size_t)facts.st_size;
    *out = calloc(1, *bytes + 1);
    if (*out == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "arguments", "no memory");
    }
    for (size_t done = 0; done < *bytes;) {
        ssize_t got = pread(fd, *out + done, *bytes - done, (off_t)done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return wy_fail(error, WY_SYSTEM, errno, "arguments", "cannot read the file");
        }
        done += (size_t)got;
    }
    return WY_OK;
}

/* The string at *at, moving it behind; NULL when it does not end inside the file. */
static char *take(char **at, const char *end) {
    char *text = *at;
    char *nul = text < end ? memchr(text, 0, (size_t)(end - text)) : NULL;
    if (nul == NULL) {
        return NULL;
    }
    *at = nul + 1;
    return text;
}

static void set_variable(char **environment, size_t *count, char *entry) {
    size_t name = (size_t)(strchr(entry, '=') - entry) + 1;
    for (size_t i = 0; i < *count; i++) {
        if (strncmp(environment[i], entry, name) == 0) {
            environment[i] = entry;
            return;
        }
    }
    environment[(*count)++] = entry;
}

static wy_status cut(char *data, size_t bytes, const file_header *header, wy_arguments *out, wy_error *error) {
    static char defaults[][40] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8"};
    char *at = data + sizeof *header;
    const char *end = data + bytes;
    size_t known = 0;
    const char *cwd = take(&at, end);
    if (cwd == NULL || (cwd[0] != '\0' && cwd[0] != '/')) {
        return malformed(error, "the working directory must be absolute or empty");
    }
    out->cwd = cwd[0] == '\0' ? "/tmp" : cwd;
    for (uint32_t i = 0; i < header->argc; i++) {
        if ((out->argv[i] = take(&at, end)) == NULL) {
            return malformed(error, "fewer strings than argc says");
        }
    }
    if (out->argv[0][0] == '\0') {
        return malformed(error, "the command is empty");
    }
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        out->environment[known++] = defaults[i];
    }
    for (uint32_t i = 0; i < header->envc; i++) {
        char *entry = take(&at, end);
        if (entry == NULL || entry[0] == '=' || strchr(entry, '=') == NULL) {
            return malformed(error, "fewer variables than envc says, or one that is not NAME=value");
        }
        set_variable(out->environment, &known, entry);
    }
    return at == end ? WY_OK : malformed(error, "bytes follow the last string");
}

wy_status wy_arguments_read(int fd, wy_arguments *out, wy_error *error) {
    char *data = NULL;
    size_t bytes = 0;
    file_header header;
    memset(out, 0, sizeof *out);
    wy_status status = copy_file(fd, &data, &bytes, error);
    if (status != WY_OK) {
        return status;
    }
    memcpy(&header, data, sizeof header);
    /* Each string takes a byte at least, which also bounds the two arrays. */
    if (header.magic != WY_ARGUMENTS_MAGIC || header.flags != 0 || header.argc == 0 || header.argc > bytes ||
        header.envc > bytes) {
        return malformed(error, "bad magic, flags, argc or envc");
    }
    out->argv = calloc((size_t)header.argc + 1, sizeof(char *));
    out->environment = calloc((size_t)header.envc + 4, sizeof(char *));
    if (out->argv == NULL || out->environment == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "arguments", "no memory");
    }
    return cut(data, bytes, &header, out, error);
}
