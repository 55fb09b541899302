/* What the host gives, found by trying it: each check runs in a child of its own, with a time limit, so that one that is
 * killed or hangs costs only its own answer. Used by `wayang doctor`, which adds what each lack costs and its remedy. */
#ifndef WAYANG_PROBE_PROBE_H
#define WAYANG_PROBE_PROBE_H

#include <stddef.h>
#include <stdint.h>

typedef enum wy_verdict { WY_PROBE_UNKNOWN = 0, WY_PROBE_YES = 1, WY_PROBE_NO = 2 } wy_verdict;

/* Made in the check's child, copied through a pipe. */
typedef struct wy_answer {
    int32_t verdict;
    char value[188]; /* a version, a number, or why not; one line without tabs */
} wy_answer;

typedef struct wy_probe_context {
    const char *state_dir;   /* where durable state would lie */
    const char *native_dir;  /* the installation's programs */
    const char *runtime_dir; /* where a runtime of this user would live */
} wy_probe_context;

typedef struct wy_check {
    const char *name; /* group.what */
    void (*run)(const wy_probe_context *context, wy_answer *answer);
    int limit_ms; /* 0: WY_PROBE_LIMIT_MS */
} wy_check;

#define WY_PROBE_LIMIT_MS 5000

/* Forks, runs, waits; a child that ended by a signal answers NO, one that did not answer in time UNKNOWN. */
void wy_check_run(const wy_check *check, const wy_probe_context *context, wy_answer *answer);

void wy_say(wy_answer *answer, wy_verdict verdict, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* NO with the text of errno. */
void wy_say_errno(wy_answer *answer, const char *what);

/* First line of a small file; "" when it cannot be read. */
void wy_first_line(const char *path, char *out, size_t capacity);

/* tree.c: tells each finding, at most 500; returns 1 when there is none. `looked_at` counts entries, `left_out` findings over the bound. */
typedef void wy_tree_tell(const char *what, const char *path);
int wy_probe_tree(const char *directory, wy_tree_tell *tell_one, unsigned *looked_at, unsigned *left_out);

/* own.c: "UID GID MODE KIND" of a path, or "absent", or why it cannot be seen. */
void wy_probe_own(const char *path, char *value, size_t capacity, int *there);

/* The checks of each file, ended by a nameless one. */
extern const wy_check wy_process_checks[];
extern const wy_check wy_namespace_checks[];
extern const wy_check wy_filter_checks[];
extern const wy_check wy_memory_checks[];
extern const wy_check wy_group_checks[];
extern const wy_check wy_host_checks[];
extern const wy_check wy_installation_checks[];

#endif
