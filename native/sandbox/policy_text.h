/* Reading the policy's text files: bounded, from a directory descriptor, refusing what others could have written. */
#ifndef WAYANG_SANDBOX_POLICY_TEXT_H
#define WAYANG_SANDBOX_POLICY_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define WY_POLICY_MAX_FILE_BYTES (128u * 1024u)

typedef struct wy_text {
    char name[64]; /* file name inside the policy directory */
    char *data;    /* owned; lines are cut in place */
    char *cursor;
    int line; /* 1-based number of the line last returned */
} wy_text;

/* Refuses a descriptor that group or others may write, or that someone else than root or the caller owns. */
wy_status wy_text_check_owner(int fd, const char *name, wy_error *error);
wy_status wy_text_open(int directory, const char *name, wy_text *out, wy_error *error);
void wy_text_close(wy_text *text);

/* Next line that is neither empty nor a comment ('#' first), blanks trimmed; NULL at the end. */
char *wy_text_next(wy_text *text);

/* Cuts the next blank-separated word off *rest; NULL when there is none. */
char *wy_text_word(char **rest);

/* "name:line: message" */
wy_status wy_text_fail(const wy_text *text, wy_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A whole number, decimal or 0x, with an optional suffix K, M or G. Returns 0 on success. */
int wy_text_number(const char *word, uint64_t minimum, uint64_t maximum, uint64_t *out);

#endif
