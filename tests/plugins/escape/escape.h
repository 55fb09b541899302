/* Attempts to get out of a sandbox, to hurt neighbours or to take all there is: one function an attempt. The same code is
 * a program (run as a command, and under other sandboxes) and a plugin (run as calls), so that each profile meets all. */
#ifndef WAYANG_TEST_ESCAPE_H
#define WAYANG_TEST_ESCAPE_H

#include <stddef.h>

/* What an attempt that was not refused answers; a refused one is negative, with errno. */
#define ESCAPE_WENT 0       /* through: what must not happen, unless the test's table says so */
#define ESCAPE_CONTAINED 1  /* the call went through and what it reached was only the task's own; checked by the attempt */

typedef struct escape_case {
    const char *name;
    long (*attempt)(void);
} escape_case;

/* Each room's table ends with a NULL name. */
extern const escape_case escape_files[], escape_mounts[], escape_kernel[], escape_looser[], escape_network[], escape_tasks[],
    escape_greed[];

/* First descriptor number that nobody but us can have opened. */
extern int escape_first_descriptor;

/* Runs one attempt and writes "NAME VERDICT\n": an errno's name, "went" or "contained". Returns the length, 0 if there is
 * no attempt of that name. */
size_t escape_run(const char *name, char *line, size_t line_bytes);

/* All names, one a line, into the buffer; returns the length. */
size_t escape_names(char *text, size_t text_bytes);

/* Opens and closes again: -1 with errno, or ESCAPE_WENT. */
long escape_open(const char *path, int flags);

#endif
