#include "sandbox/filter.h"

#include <asm/unistd.h>
#include <stddef.h>
#include <string.h>

static const struct {
    int number;
    const char *name;
} table[] = {
#include "syscall_table.inc"
};

#define TABLE_COUNT (sizeof table / sizeof table[0])

/* Linear: asked for when a policy is read and when a violation is told, never on a hot path. */
const char *wy_syscall_name(int number) {
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (table[i].number == number) {
            return table[i].name;
        }
    }
    return NULL;
}

int wy_syscall_number(const char *name) {
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return table[i].number;
        }
    }
    return -1;
}
