/* What a command finds in its files when it begins, as COMMAND_START's `stage` carries it (spawner/protocol.h). */
#ifndef WAYANG_SANDBOX_STAGE_H
#define WAYANG_SANDBOX_STAGE_H

#include <stdint.h>

#include "base/status.h"
#include "spawner/protocol.h"

typedef struct wy_stage {
    int fd; /* the sealed memory file; contents are copied straight out of it */
    wy_stage_header header;
    wy_stage_entry *entries; /* a private, validated copy */
} wy_stage;

/* Checks the seals and every entry: kinds, modes, names (relative, no empty part, no "." or ".."), contents inside the
 * file. The copy lives as long as the process. */
wy_status wy_stage_read(int fd, wy_stage *out, wy_error *error);

/* The directory of secrets, where there are any: a file system in memory that is never swapped out, read-only once it is
 * filled. A step of the sandbox: it mounts. */
wy_status wy_stage_secrets(const wy_stage *stage, wy_error *error);

/* Copies an entry's content into a new file at its name below `directory`, with the directories on the way. Symlinks are not
 * followed. 0, or -1 (errno). */
int wy_stage_write(const wy_stage *stage, const wy_stage_entry *entry, int directory);

#endif
