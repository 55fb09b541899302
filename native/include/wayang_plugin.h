/* What the author of a C plugin includes. Nothing to link: the worker hands in a table of functions.
 *
 *     #include <wayang_plugin.h>
 *
 *     static int shout(wayang_call *call, const void *input, size_t length) {
 *         const char *text = input;
 *         for (size_t i = 0; i < length; i++) {
 *             char c = (char)toupper((unsigned char)text[i]);
 *             if (wayang_append(call, &c, 1) != 0)
 *                 return 1;
 *         }
 *         return 0;
 *     }
 *
 *     int wayang_plugin_init(const wayang_host *host, wayang_registry *registry) {
 *         return registry->add(registry, "shout", shout, NULL);
 *     }
 *
 *     cc -O2 -fPIC -shared -o shout.so shout.c
 *
 * Life of a plugin
 *  1. It is loaded once, in a sandboxed zygote without files, network or devices: constructors and wayang_plugin_init run
 *     there. Build tables here: all workers share them copy-on-write. Threads are not allowed yet: an image that leaves a
 *     second thread behind is refused.
 *  2. Workers are forked from the zygote. A worker runs one call after the other on one thread, many in its life unless
 *     the task asks for a fresh worker; static variables live as long as their worker and are seen by no other tenant.
 *  3. A call may be ended from outside at any instruction (timeout, cancel, limits). Nothing is run then.
 * Threads
 *  4. All functions of this header may be called only on the thread that runs the call, and only during it. Where the
 *     profile allows threads, join them before the function returns.
 * Memory
 *  5. `input` is valid and unchanged until the function returns; one zero byte follows it that is not counted. It is
 *     aligned to 16 bytes.
 *  6. What is handed to wayang_append, wayang_fail, wayang_log and wayang_save is copied before they return.
 *  7. `state` and the strings handed to registry->add: the string is copied, the state is the plugin's.
 * Attempts
 *  8. A task may be tried again (retries, a worker that was lost, a call that was asked to yield). What one attempt saves with
 *     wayang_save the next one gets with wayang_saved; the input is the same.
 * Output
 *  9. printf and friends are routed to the log of the task line by line, as its stdout and stderr. */
#ifndef WAYANG_PLUGIN_H
#define WAYANG_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WAYANG_PLUGIN_ABI 1u

/* Tells the worker what this plugin was compiled against; defined by including this header. */
extern const uint32_t wayang_plugin_abi;
__attribute__((weak, used, visibility("default"))) const uint32_t wayang_plugin_abi = WAYANG_PLUGIN_ABI;

typedef enum wayang_log_level {
    WAYANG_LOG_DEBUG = 16,
    WAYANG_LOG_INFO = 17,
    WAYANG_LOG_WARNING = 18,
    WAYANG_LOG_ERROR = 19
} wayang_log_level;

typedef struct wayang_host wayang_host;

/* One call of a function. */
typedef struct wayang_call {
    const wayang_host *host;
    void *state; /* what the function was registered with */
} wayang_call;

/* What wayang_save answers. */
typedef enum wayang_save_result {
    WAYANG_SAVE_KEPT = 0,
    WAYANG_SAVE_TOO_LARGE = 1,  /* more than limits.state_bytes of the node: what was saved before stands */
    WAYANG_SAVE_UNSUPPORTED = 2 /* a runtime that is older than this header, or one that keeps none (limits.state_bytes: 0) */
} wayang_save_result;

/* What a function returns that gives its place back because wayang_save_wanted said so: its task waits, and goes on as its
 * next attempt from what was saved last. Of a call that was not asked it is an error. */
#define WAYANG_YIELD 0x5957594c

/* 0: succeeded, the output is what was appended. WAYANG_YIELD: see there. Anything else: failed, with the error of
 * wayang_fail, or with the code "function_failed"; what was appended is dropped. */
typedef int (*wayang_function)(wayang_call *call, const void *input, size_t length);

/* `size` grows with later versions of the same abi: test it before using what was added. */
struct wayang_host {
    uint32_t size;
    uint32_t abi;
    uint64_t max_payload; /* 0 while the plugin is initialized; in a call see wayang_max_payload */
    int (*append)(wayang_call *call, const void *bytes, size_t length);
    void *(*reserve)(wayang_call *call, size_t length);
    int (*fail)(wayang_call *call, const char *code, const char *message);
    void (*log)(wayang_call *call, wayang_log_level level, const char *text, size_t length);
    int (*cancelled)(const wayang_call *call);
    /* Added later: */
    void (*progress)(wayang_call *call, uint32_t percent, const char *text, size_t length);
    /* Added later: */
    int (*save)(wayang_call *call, const void *bytes, size_t length);
    const void *(*saved)(const wayang_call *call, size_t *length);
    int (*save_wanted)(const wayang_call *call);
};

typedef struct wayang_registry wayang_registry;
struct wayang_registry {
    uint32_t size;
    uint32_t abi;
    /* Registers `function` as `name`: [A-Za-z0-9_.-], 1 to 63 bytes, unique. At most 1,024. 0, or nonzero when refused:
     * return that from wayang_plugin_init. */
    int (*add)(wayang_registry *registry, const char *name, wayang_function function, void *state);
};

/* Defined by the plugin. Returns 0, or nonzero to refuse being loaded. `host` lives as long as the process. */
__attribute__((visibility("default"))) int wayang_plugin_init(const wayang_host *host, wayang_registry *registry);

/* Appends to the output. Any number of times. Nonzero when the output would be over the channel's largest payload (64 MiB
 * unless configured) or memory is out: return nonzero then; the error is recorded. */
static inline int wayang_append(wayang_call *call, const void *bytes, size_t length) {
    return call->host->append(call, bytes, length);
}

/* Appends `length` bytes for the caller to fill, valid until the next append or reserve; NULL as above. */
static inline void *wayang_reserve(wayang_call *call, size_t length) {
    return call->host->reserve(call, length);
}

/* Records the error of this call, the first one wins: `code` a short machine-readable word (63 bytes are kept), `message` for
 * people (4,000 bytes are kept). Always returns 1, so that `return wayang_fail(...)` reads well. */
static inline int wayang_fail(wayang_call *call, const char *code, const char *message) {
    return call->host->fail(call, code, message);
}

/* Writes to the log of the task. At most 4 MiB a call are kept, the cut is told. */
static inline void wayang_log(wayang_call *call, wayang_log_level level, const char *text, size_t length) {
    call->host->log(call, level, text, length);
}

/* Nonzero once the task was asked to stop: long functions look at it and return. It costs a memory read. */
static inline int wayang_cancelled(const wayang_call *call) {
    return call->host->cancelled(call);
}

/* Tells how far the task is: `percent` 0 to 100 (more: unknown) and a short text (200 bytes of UTF-8 are kept), shown while it
 * runs. The last one counts; call it as often as you like, at most 16 a tenth of a second are sent. Does nothing in a runtime
 * that is older than this header. */
static inline void wayang_progress(wayang_call *call, uint32_t percent, const char *text, size_t length) {
    if (call->host->size >= offsetof(wayang_host, progress) + sizeof(call->host->progress)) {
        call->host->progress(call, percent, text, length);
    }
}

/* Keeps these bytes as the saved state of the task: its next attempt, if there is one, finds them by wayang_saved. The last
 * ones count; at most limits.state_bytes of the node (1 MiB unless configured). They are copied to the node before this
 * returns or soon after, and outlive this worker: what is saved often should be small. See wayang_save_result. */
static inline wayang_save_result wayang_save(wayang_call *call, const void *bytes, size_t length) {
    return call->host->size < offsetof(wayang_host, save) + sizeof(call->host->save)
               ? WAYANG_SAVE_UNSUPPORTED
               : (wayang_save_result)call->host->save(call, bytes, length);
}

/* What an earlier attempt of this task saved last, or NULL, as always in a first attempt. Valid and unchanged until the
 * function returns, whatever is saved meanwhile; not aligned to more than 16 bytes. */
static inline const void *wayang_saved(const wayang_call *call, size_t *length) {
    *length = 0;
    return call->host->size < offsetof(wayang_host, saved) + sizeof(call->host->saved) ? NULL
                                                                                       : call->host->saved(call, length);
}

/* Nonzero once the node wants the call to give its place back (tasks of `migration: cooperative`): save what the next attempt
 * needs, and return WAYANG_YIELD. It costs a memory read. */
static inline int wayang_save_wanted(const wayang_call *call) {
    return call->host->size < offsetof(wayang_host, save_wanted) + sizeof(call->host->save_wanted)
               ? 0
               : call->host->save_wanted(call);
}

/* Largest output of a call in bytes. */
static inline uint64_t wayang_max_payload(const wayang_call *call) {
    return call->host->max_payload;
}

#ifdef __cplusplus
}
#endif

#endif
