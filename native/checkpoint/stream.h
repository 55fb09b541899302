/* A captured worker as bytes in one direction: a head (identity of the image, registers, mappings), then records of pages by rising
 * address, then an end with the sum of all. One that was written while the worker ran has a `live` head first, rounds in each of which
 * addresses begin anew, and behind the last a second head, of when it stood still: a page may come more than once, the last word counts, and
 * what lies outside of the second head's mappings by then is gone. Every part carries its own hash and is checked before it is used; nothing in it is believed
 * to fit: sizes, order and addresses have bounds. Little-endian, one architecture. */
#ifndef WAYANG_CHECKPOINT_STREAM_H
#define WAYANG_CHECKPOINT_STREAM_H

#include "checkpoint/manifest.h"
#include "checkpoint/snapshot.h"

#define WY_STREAM_MAGIC UINT64_C(0x314D565241594157) /* "WAYARVM1" */
#define WY_STREAM_VERSION 3u
#define WY_STREAM_ROUNDS 16u /* at most */

typedef struct wy_stream_head {
    uint64_t magic;
    uint32_t version;
    uint32_t bytes; /* of what follows, up to the first record */
    uint64_t image_hash, cpu_hash;
    uint64_t heap_end, handled, signal_mask;
    uint32_t xsave_bytes, vma_count;
    uint32_t whole; /* 1: every page of the worker's own travels; it can go on in any zygote of its image */
    uint32_t live;  /* 1: the worker ran on; another head follows */
    uint64_t body_hash; /* of what follows: general registers, `handled` actions, mappings, xsave */
    uint64_t head_hash; /* of this struct with head_hash 0 */
} wy_stream_head;

typedef enum wy_record_kind {
    WY_RECORD_PAGES = 1, /* followed by `pages` pages */
    WY_RECORD_EMPTY = 2, /* the image has something there, the worker nothing */
    WY_RECORD_END = 3,   /* address: pages in all PAGES records; hash: of all records' hashes */
    WY_RECORD_ROUND = 4, /* address: its number, from 2 on: addresses begin anew */
    WY_RECORD_HEAD = 5   /* the second head follows (wy_stream_read_head): addresses begin anew */
} wy_record_kind;

typedef struct wy_record {
    uint64_t address;
    uint32_t kind;
    uint32_t pages; /* PAGES: 1 to WY_BATCH_PAGES */
    uint64_t hash;  /* of the pages, or of the record's first 16 bytes */
} wy_record;

_Static_assert(sizeof(wy_stream_head) == 88 && sizeof(wy_record) == 24 && sizeof(wy_vma) == 40, "stream");

typedef struct wy_stream {
    int fd;
    uint64_t sum;   /* of the records so far */
    uint64_t pages; /* in PAGES records */
    uint64_t bytes; /* written or read */
    uint64_t next;  /* no record below this address may follow */
    uint32_t round;
    int live;       /* the second head is still to come */
    int head_next;  /* it is what comes next */
    int ended;
    uint32_t held_bytes; /* written, and not yet to the descriptor: wy_stream_flush */
    uint8_t held[4096];
} wy_stream;

#define WY_STREAM_ON(descriptor) ((wy_stream){.fd = (descriptor)})

wy_status wy_stream_write_head(wy_stream *stream, const wy_snapshot *snapshot, const wy_manifest *image, int whole, int live, wy_error *error);
wy_status wy_stream_write_round(wy_stream *stream, wy_error *error);
wy_status wy_stream_write_pages(wy_stream *stream, uint64_t address, const void *pages, uint32_t count, wy_error *error);
wy_status wy_stream_write_empty(wy_stream *stream, uint64_t address, uint32_t count, wy_error *error);
wy_status wy_stream_write_end(wy_stream *stream, wy_error *error); /* flushes */
wy_status wy_stream_flush(wy_stream *stream, wy_error *error);

/* The snapshot's mappings are allocated: wy_snapshot_free. */
wy_status wy_stream_read_head(wy_stream *stream, wy_stream_head *head, wy_snapshot *out, wy_error *error);

/* `pages` has room for WY_BATCH_PAGES. Behind END the stream has `ended`. WY_CORRUPT, WY_CLOSED (it broke off), WY_SYSTEM. */
wy_status wy_stream_read(wy_stream *stream, wy_record *record, void *pages, wy_error *error);

#endif
