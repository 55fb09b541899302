#include "spawner/text.h"

#include <stdio.h>
#include <string.h>

void wy_text_of_error(const wy_error *error, char *out, size_t capacity) {
    snprintf(out, capacity, "%.*s: %.*s", (int)strnlen(error->where, sizeof error->where), error->where,
             (int)strnlen(error->message, sizeof error->message), error->message);
    for (char *c = out; *c != 0; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f) {
            *c = '?';
        }
    }
}
