#include "sandbox/policy_text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

wy_status wy_text_check_owner(int fd, const char *name, wy_error *error) {
    struct stat facts;
    if (fstat(fd, &facts) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "policy", "%s: %s", name, strerror(errno));
    }
    if (facts.st_uid != 0 && facts.st_uid != geteuid()) {
        return wy_fail(error, WY_DENIED, 0, "policy", "%s: owned by uid %u; allowed: root or uid %u", name,
                       (unsigned)facts.st_uid, (unsigned)geteuid());
    }
    if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return wy_fail(error, WY_DENIED, 0, "policy",
                       "%s: group or others may write it (mode %04o); remedy: chmod go-w", name,
                       (unsigned)(facts.st_mode & 07777));
    }
    return WY_OK;
}

static wy_status read_whole(int fd, wy_text *text, wy_error *error) {
    struct stat facts;
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        return wy_fail(error, WY_INVALID, 0, "policy", "%s: not a regular file", text->name);
    }
    if (facts.st_size < 0 || facts.st_size > (off_t)WY_POLICY_MAX_FILE_BYTES) {
        return wy_fail(error, WY_TOO_BIG, 0, "policy", "%s: over %u bytes", text->name, WY_POLICY_MAX_FILE_BYTES);
    }
    size_t size = (size_t)facts.st_size, filled = 0;
    text->data = calloc(1, size + 1);
    if (text->data == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "policy", "%s: no memory", text->name);
    }
    while (filled < size) {
        ssize_t got = read(fd, text->data + filled, size - filled);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return wy_fail(error, WY_SYSTEM, errno, "policy", "%s: cannot read it whole", text->name);
        }
        filled += (size_t)got;
    }
    if (memchr(text->data, 0, size) != NULL) {
        return wy_fail(error, WY_INVALID, 0, "policy", "%s: holds a NUL byte", text->name);
    }
    text->cursor = text->data;
    return WY_OK;
}

wy_status wy_text_open(int directory, const char *name, wy_text *out, wy_error *error) {
    memset(out, 0, sizeof *out);
    if (strlen(name) >= sizeof out->name || strchr(name, '/') != NULL) {
        return wy_fail(error, WY_INVALID, 0, "policy", "%.80s: a file name without '/' under %zu bytes is allowed",
                       name, sizeof out->name);
    }
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    int fd = (int)syscall(SYS_openat2, directory, name, &how, sizeof how);
    if (fd < 0) {
        return wy_fail(error, WY_SYSTEM, errno, "policy", "%s: %s", name, strerror(errno));
    }
    wy_status status = wy_text_check_owner(fd, name, error);
    if (status == WY_OK) {
        status = read_whole(fd, out, error);
    }
    (void)close(fd);
    if (status != WY_OK) {
        wy_text_close(out);
    }
    return status;
}

void wy_text_close(wy_text *text) {
    free(text->data);
    text->data = NULL;
    text->cursor = NULL;
}

static int is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

char *wy_text_next(wy_text *text) {
    while (text->cursor != NULL && *text->cursor != '\0') {
        char *line = text->cursor;
        char *end = strchr(line, '\n');
        text->cursor = end == NULL ? line + strlen(line) : end + 1;
        if (end == NULL) {
            end = text->cursor;
        }
        *end = '\0';
        text->line++;
        while (is_blank(*line)) {
            line++;
        }
        while (end > line && is_blank(end[-1])) {
            *--end = '\0';
        }
        if (*line != '\0' && *line != '#') {
            return line;
        }
    }
    return NULL;
}

char *wy_text_word(char **rest) {
    char *word = *rest;
    while (is_blank(*word)) {
        word++;
    }
    if (*word == '\0') {
        *rest = word;
        return NULL;
    }
    char *end = word;
    while (*end != '\0' && !is_blank(*end)) {
        end++;
    }
    if (*end != '\0') {
        *end++ = '\0';
    }
    *rest = end;
    return word;
}

wy_status wy_text_fail(const wy_text *text, wy_error *error, const char *format, ...) {
    char message[sizeof((wy_error *)0)->message];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return wy_fail(error, WY_INVALID, 0, "policy", "%.63s:%d: %.120s", text->name, text->line, message);
}

int wy_text_number(const char *word, uint64_t minimum, uint64_t maximum, uint64_t *out) {
    if (*word < '0' || *word > '9') {
        return -1;
    }
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(word, &end, 0);
    unsigned shift = 0;
    if (*end == 'K' || *end == 'M' || *end == 'G') {
        shift = *end == 'K' ? 10 : *end == 'M' ? 20 : 30;
        end++;
    }
    if (errno != 0 || *end != '\0' || value > (UINT64_MAX >> shift)) {
        return -1;
    }
    value <<= shift;
    if (value < minimum || value > maximum) {
        return -1;
    }
    *out = value;
    return 0;
}
