/* The command line of a command worker, as COMMAND_START carries it (spawner/protocol.h, end). */
#ifndef WAYANG_INIT_ARGUMENTS_H
#define WAYANG_INIT_ARGUMENTS_H

#include "base/status.h"

typedef struct wy_arguments {
    const char *cwd;    /* never empty */
    char **argv;        /* NULL-terminated, at least one */
    char **environment; /* NULL-terminated: the small default, overridden and extended by the message's */
} wy_arguments;

/* Checks the seals, copies the file once into private memory (which lives as long as the process) and validates the
 * copy. */
wy_status wy_arguments_read(int fd, wy_arguments *out, wy_error *error);

#endif
