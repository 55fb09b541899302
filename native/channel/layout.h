/* Layout of a worker's channel: two memory files, one written by each side.
 *
 *   D ("daemon writes"): mapped read-write by the daemon, read-only by the worker
 *                        (sealed F_SEAL_FUTURE_WRITE | SHRINK | GROW | SEAL after the daemon mapped it).
 *   W ("worker writes"): mapped read-write by the worker, read-only by the daemon;
 *                        sealed SHRINK | GROW | SEAL before the worker sees it.
 *
 * Both files have the same shape: a 4 KiB header, a ring of 64-byte slots 128 bytes apart, an arena for payloads over 48 bytes.
 * Requests travel in D's ring, completions in W's. The consumer's cursor ("head") stands in the consumer's own file.
 * The worker is hostile: the daemon keeps its own cursors, arena accounting and in-flight table in private memory,
 * copies every word that it reads from W once, and validates the copy. All integers are little-endian.
 *
 * Mirrored by src/Wayang.Fast.Interop/ChannelLayout.cs; a test compares the two. */
#ifndef WAYANG_CHANNEL_LAYOUT_H
#define WAYANG_CHANNEL_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define WY_CHANNEL_MAGIC UINT64_C(0x314C4E4843415957) /* "WYACHNL1" */
#define WY_CHANNEL_VERSION 2u
#define WY_CHANNEL_HEADER_BYTES 4096u
#define WY_CHANNEL_SLOT_BYTES 64u
#define WY_CHANNEL_SLOT_STRIDE 128u /* a slot has a pair of lines for itself: adjacent-line prefetch */
#define WY_CHANNEL_INLINE_BYTES 48u
#define WY_CHANNEL_INLINE_REFERENCE 255u
#define WY_CHANNEL_MIN_SLOTS 8u
#define WY_CHANNEL_MAX_SLOTS 4096u    /* a power of two */
#define WY_CHANNEL_MAX_IN_FLIGHT 256u /* the ticket's index has 8 bits */
#define WY_CHANNEL_DEFAULT_SLOTS 64u /* both rings stay in either processor's first cache: a round trip takes half as long as with 256 */
#define WY_CHANNEL_DEFAULT_ARENA_BYTES (256u * 1024u)
#define WY_CHANNEL_MAX_ARENA_BYTES (64u * 1024u * 1024u)
#define WY_CHANNEL_HEAD_BATCH 32u /* a consumer publishes its head at least every so many slots */
#define WY_CHANNEL_MAX_CHUNK_BYTES 65536u /* of a payload in one slot; also <= arena_bytes / 4 */

/* Where the zygote reserves and the worker maps the two files: fixed, so that a worker can be continued elsewhere. */
#define WY_CHANNEL_D_ADDRESS UINT64_C(0x7e0000000000)
#define WY_CHANNEL_W_ADDRESS UINT64_C(0x7e0010000000)
#define WY_CHANNEL_RESERVED_BYTES UINT64_C(0x10000000) /* 256 MiB of address space for each */

/* Descriptors of a running worker: the doorbell is the only one it keeps. 4 and 5 exist until its first task. */
#define WY_WORKER_FD_DOORBELL 3
#define WY_WORKER_FD_SECCOMP_LISTENER 4
#define WY_WORKER_FD_BOOT 5

/* Slot kinds. Requests (daemon to worker): */
#define WY_SLOT_CALL 1u
#define WY_SLOT_STOP 2u /* finish what was read, then exit 0; ticket 0 */
#define WY_SLOT_STATE 3u /* payload = what an earlier attempt saved; right before the CALL of the same ticket */
/* Completions (worker to daemon): */
#define WY_SLOT_READY 16u  /* once, first: the worker stands in its sandbox and reads requests; ticket 0 */
#define WY_SLOT_OUTPUT 17u /* the function succeeded; payload = output */
#define WY_SLOT_ERROR 18u  /* the function failed; payload = code, NUL, message; where there is one: NUL, traceback */
#define WY_SLOT_LOG 19u    /* payload = u8 stream (wy_log_stream), then text; any number before the end of its call */
#define WY_SLOT_PROGRESS 20u /* payload = u8 percent (0..100, or WY_PROGRESS_UNKNOWN), then UTF-8 text; the last one counts */
#define WY_SLOT_SAVED 21u /* payload = the task's saved state, at most `state_bytes`; the last one that is whole counts */
#define WY_SLOT_YIELDED 22u /* the function gave its place back, as it was asked to; payload empty */

#define WY_SLOT_FIRST 0x40u /* first chunk of a payload: the reference carries the total length */
#define WY_SLOT_LAST 0x80u  /* last chunk; FIRST|LAST = whole payload in this slot */
#define WY_SLOT_KIND_MASK 0x3fu
/* Grammar of both rings: inline payloads are whole (FIRST|LAST); the chunks of a payload follow each other with no other
 * slot between them, repeat ticket, kind and total, and LAST comes exactly when they add up to it. One exception, requests
 * only: an empty inline slot with LAST alone gives up the payload under way; the worker answers ERROR "aborted". LOG and
 * PROGRESS slots are never chunked, YIELDED and READY are empty. */

#define WY_PROGRESS_UNKNOWN 255u
#define WY_PROGRESS_TEXT_BYTES 200u
#define WY_ERROR_CODE_BYTES 64u /* NUL included */
#define WY_ERROR_MESSAGE_BYTES 4000u
#define WY_ERROR_TRACE_BYTES 16384u
#define WY_ERROR_MAX_BYTES (WY_ERROR_CODE_BYTES + WY_ERROR_MESSAGE_BYTES + 1u + WY_ERROR_TRACE_BYTES)

typedef enum wy_log_stream {
    WY_LOG_STDOUT = 1,
    WY_LOG_STDERR = 2,
    WY_LOG_DEBUG = 16,
    WY_LOG_INFO = 17,
    WY_LOG_WARNING = 18,
    WY_LOG_ERROR = 19
} wy_log_stream;

/* A payload that stands in the arena. `total` counts all chunks and is the same in each of them. The bytes
 * [offset, offset + length) never wrap: a writer skips the rest of the arena when they would. */
typedef struct wy_reference {
    uint32_t offset; /* from the start of the arena */
    uint32_t length; /* of this chunk, > 0, <= WY_CHANNEL_MAX_CHUNK_BYTES */
    uint64_t total;
} wy_reference;

typedef struct wy_slot {
    /* SYNC POINT: release-stored by the producer as position + 1; acquire-loaded by the consumer. position counts
     * from 0 and never wraps in practice. Anything but position + 1 or the value of the lap before (position + 1 -
     * slots, or 0 in the first lap) is corruption. */
    uint64_t sequence;
    uint32_t ticket;   /* bits 0-7 in-flight index, 8-31 generation: stands for one attempt; echoed by the worker */
    uint16_t function; /* index in the image's registration order; 0 in completions */
    uint8_t kind;      /* WY_SLOT_* kind | FIRST | LAST */
    uint8_t length;    /* 0..48 inline bytes, or WY_CHANNEL_INLINE_REFERENCE: `reference` holds */
    union {
        uint8_t bytes[WY_CHANNEL_INLINE_BYTES];
        wy_reference reference;
    } payload;
} wy_slot;

/* As it stands in a ring. */
typedef struct wy_ring_slot {
    wy_slot slot;
    uint8_t separation[WY_CHANNEL_SLOT_STRIDE - sizeof(wy_slot)];
} wy_ring_slot;

/* What a worker may tell its call of itself, written by the daemon before the request's slot is published, for images whose
 * calls ask for it (Python): others neither pay for it nor find it. Valid while `ticket` is the one that is served. */
typedef struct wy_call_facts {
    uint64_t task_high, task_low; /* the task's id, 128 bits */
    int64_t deadline_ns;          /* CLOCK_MONOTONIC of the node */
    uint32_t ticket;
    uint32_t attempt; /* from 1 */
} wy_call_facts;

#define WY_CHANNEL_MAX_FACTS 64u /* in-flight indices that have facts, and costs */

/* What a call cost, as its worker says, written before the end of the call is published, where `measures` is set. A claim: the
 * daemon believes no more than the time that went by allows. */
typedef struct wy_call_cost {
    uint64_t cpu_ns;
    uint32_t ticket;
    uint32_t pad;
} wy_call_cost;

/* The header, 4 KiB, at offset 0 of both files. Lines are 128 bytes apart (adjacent-line prefetch). */
typedef struct wy_channel_header {
    /* 0x000: written once by the daemon before the worker exists, checked by the worker at open. */
    uint64_t magic;
    uint32_t version;
    uint32_t slots;       /* of this file's ring */
    uint32_t arena_bytes; /* of this file's arena: multiple of 4096 */
    uint32_t peer_slots;  /* of the other file */
    uint32_t peer_arena_bytes;
    uint32_t spin;         /* D: pauses the worker spins before it sleeps; UINT32_MAX = it never sleeps */
    uint64_t max_payload;  /* bytes, inputs and outputs */
    uint64_t epoch;        /* of this worker: never reused */
    uint32_t measures;     /* D: nonzero: the worker tells what each call cost */
    uint32_t state_bytes;  /* D: most bytes of a saved state; 0: none is kept */
    uint8_t pad0[128 - 56];
    /* 0x080 SYNC POINT: head of the peer's ring consumed by this file's writer (release); read by the peer (acquire). */
    uint64_t head;
    uint8_t pad1[128 - 8];
    /* 0x100 SYNC POINT: nonzero while this file's writer sleeps (seq_cst fence after the store, then it re-checks); a new
     * number for each sleep, so that the peer rings once per sleep however often it publishes meanwhile.
     * The peer publishes, fences, reads it, and wakes: futex on D's `doorbell` for the worker, eventfd for the daemon. */
    uint32_t sleeping;
    /* Nonzero while this file's writer waits for the peer to advance its head: the peer rings after it did. W: a new
     * number for each wait, one ring per number. D: the worker rings after every advance until it is 0 again. */
    uint32_t wants_space;
    uint8_t pad2[128 - 8];
    /* 0x180: D only: futex word on which the worker sleeps; incremented by the daemon before each wake. */
    uint32_t doorbell;
    uint8_t pad3[128 - 4];
    /* 0x200: D only: cancel bits, one per in-flight index. */
    uint64_t cancelled[WY_CHANNEL_MAX_IN_FLIGHT / 64];
    uint8_t pad4[128 - 32];
    /* 0x280: D only: bits, one per in-flight index: its call is asked to save its state and to yield. A hint, as `cancelled`. */
    uint64_t save_wanted[WY_CHANNEL_MAX_IN_FLIGHT / 64];
    uint8_t pad5[0x400 - 0x280 - 32];
    /* 0x400: D only: one per in-flight index. */
    wy_call_facts facts[WY_CHANNEL_MAX_FACTS];
    /* 0xC00: W only: one per in-flight index. */
    wy_call_cost costs[WY_CHANNEL_MAX_FACTS];
} wy_channel_header;

/* Offsets: ring at WY_CHANNEL_HEADER_BYTES, arena right after the ring rounded up to 4096. */
#define WY_CHANNEL_RING_BYTES(slots) (((uint64_t)(slots) * WY_CHANNEL_SLOT_STRIDE + 4095u) & ~UINT64_C(4095))
#define WY_CHANNEL_FILE_BYTES(slots, arena) (WY_CHANNEL_HEADER_BYTES + WY_CHANNEL_RING_BYTES(slots) + (uint64_t)(arena))

_Static_assert(sizeof(wy_reference) == 16, "layout");
_Static_assert(sizeof(wy_slot) == WY_CHANNEL_SLOT_BYTES, "layout");
_Static_assert(sizeof(wy_ring_slot) == WY_CHANNEL_SLOT_STRIDE, "layout");
_Static_assert(sizeof(wy_channel_header) == WY_CHANNEL_HEADER_BYTES, "layout");
_Static_assert(offsetof(wy_channel_header, head) == 0x80, "layout");
_Static_assert(offsetof(wy_channel_header, sleeping) == 0x100, "layout");
_Static_assert(offsetof(wy_channel_header, doorbell) == 0x180, "layout");
_Static_assert(offsetof(wy_channel_header, cancelled) == 0x200, "layout");
_Static_assert(offsetof(wy_channel_header, save_wanted) == 0x280, "layout");
_Static_assert(offsetof(wy_channel_header, measures) == 0x30, "layout");
_Static_assert(offsetof(wy_channel_header, state_bytes) == 0x34, "layout");
_Static_assert(sizeof(wy_call_facts) == 32 && offsetof(wy_channel_header, facts) == 0x400, "layout");
_Static_assert(sizeof(wy_call_cost) == 16 && offsetof(wy_channel_header, costs) == 0xC00, "layout");

#endif
