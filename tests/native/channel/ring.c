/* One thread plays both sides: wrap, full, arena reclaim, chunks, and what a corrupt peer writes. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../check.h"
#include "channel/ends.h"
#include "channel/memory.h"

#define WHOLE ((uint8_t)(WY_SLOT_CALL | WY_SLOT_FIRST | WY_SLOT_LAST))

static uint64_t d_ends[WY_CHANNEL_MAX_SLOTS], w_ends[WY_CHANNEL_MAX_SLOTS];

typedef struct pair {
    wy_channel_memory memory;
    wy_channel_header *w; /* the worker's writable view */
    wy_daemon_end daemon;
    wy_worker_end worker;
} pair;

static void open_pair(pair *both, uint32_t slots, uint32_t arena) {
    wy_geometry geometry = {slots, arena, slots, arena, 0, 1 << 20, 42};
    wy_error error;
    CHECK(wy_channel_create(&geometry, &both->memory, &error) == WY_OK);
    both->w = mmap(NULL, both->memory.w_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, both->memory.w_fd, 0);
    CHECK(both->w != MAP_FAILED);
    wy_daemon_end_init(&both->daemon, both->memory.d, both->memory.w, d_ends);
    wy_worker_end_init(&both->worker, both->memory.d, both->w, both->memory.doorbell_fd, w_ends);
}

static void close_pair(pair *both) {
    (void)munmap(both->w, both->memory.w_bytes);
    wy_channel_destroy(&both->memory);
}

static wy_status put(wy_writer *writer, const uint8_t *bytes, uint32_t length, uint32_t ticket) {
    wy_claim claim;
    wy_status status = wy_writer_claim(writer, length, 1, &claim);
    if (status == WY_OK) {
        if (length != 0) {
            memcpy(claim.payload, bytes, length);
        }
        wy_writer_commit(writer, &claim, ticket, 3, WHOLE, length);
    }
    return status;
}

static int take(wy_reader *reader, uint32_t ticket, const uint8_t *bytes, uint32_t length) {
    wy_slot slot;
    uint32_t got;
    uint64_t total;
    if (wy_reader_read(reader, &slot) != WY_OK) {
        return 0;
    }
    const uint8_t *payload = wy_reader_payload(reader, &slot, &got, &total);
    int same = slot.ticket == ticket && slot.function == 3 && slot.kind == WHOLE && got == length && total == length &&
               memcmp(payload, bytes, length) == 0;
    wy_reader_advance(reader, &slot);
    return same;
}

static void geometry(void) {
    wy_channel_memory memory;
    wy_error error;
    const wy_geometry bad[] = {
        {7, 4096, 8, 4096, 0, 1, 0},    {24, 4096, 8, 4096, 0, 1, 0},   {8192, 4096, 8, 4096, 0, 1, 0},
        {8, 4095, 8, 4096, 0, 1, 0},    {8, 0, 8, 4096, 0, 1, 0},       {8, 4096, 8, 128 << 20, 0, 1, 0},
        {8, 4096, 8, 4096, 0, 0, 0},    {8, 4096, 0, 4096, 0, 1, 0},    {8, 4096, 8, 4096, 0, UINT64_MAX, 0},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(wy_channel_create(&bad[i], &memory, &error) == WY_INVALID);
    }
    check_done("impossible geometries are refused");
}

static void seals(void) {
    pair both;
    open_pair(&both, 8, 4096);
    wy_error error;
    CHECK(ftruncate(both.memory.w_fd, 0) != 0 && ftruncate(both.memory.d_fd, 0) != 0);
    CHECK(ftruncate(both.memory.w_fd, 1 << 24) != 0);
    CHECK(fcntl(both.memory.w_fd, F_ADD_SEALS, F_SEAL_WRITE) != 0);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, both.memory.d_fd, 0) == MAP_FAILED);
    CHECK(pwrite(both.memory.d_fd, "x", 1, 0) < 0);
    CHECK(wy_channel_check(both.memory.d, both.memory.d_bytes, both.w, both.memory.w_bytes, &error) == WY_OK);
    CHECK(wy_channel_check(both.memory.d, both.memory.d_bytes - 1, both.w, both.memory.w_bytes, &error) == WY_CORRUPT);
    CHECK(wy_channel_check(both.memory.d, both.memory.d_bytes, both.w, 0, &error) == WY_CORRUPT);
    both.w->epoch = 1;
    CHECK(wy_channel_check(both.memory.d, both.memory.d_bytes, both.w, both.memory.w_bytes, &error) == WY_CORRUPT);
    close_pair(&both);
    check_done("files cannot shrink, grow, or be written by the other side; headers are checked at open");
}

static void wrap_and_full(void) {
    pair both;
    open_pair(&both, 8, 4096);
    wy_writer *writer = &both.daemon.requests;
    wy_reader *reader = &both.worker.requests;
    uint8_t bytes[48];
    uint32_t sent = 0, got = 0;
    CHECK(wy_reader_ready(reader) == 0);
    for (int lap = 0; lap < 1000; lap++) {
        while (put(writer, memset(bytes, (int)sent, sizeof(bytes)), sent % 49, sent) == WY_OK) {
            sent++;
        }
        CHECK(sent - got == 8);
        for (int i = 0; i <= lap % 8; i++, got++) {
            CHECK(take(reader, got, memset(bytes, (int)got, sizeof(bytes)), got % 49));
        }
        wy_reader_publish_head(reader);
    }
    close_pair(&both);
    check_done("inline slots wrap 1,000 times, full at the capacity, in order");
}

static void arena(void) {
    pair both;
    open_pair(&both, 32, 8192);
    wy_writer *writer = &both.worker.completions;
    wy_reader *reader = &both.daemon.completions;
    static uint8_t bytes[4096];
    uint32_t lengths[64];
    uint32_t sent = 0, got = 0, refused = 0;
    srand(1);
    CHECK(put(writer, bytes, 2049, 0) == WY_TOO_BIG);
    while (got < 20000) {
        uint32_t length = (uint32_t)rand() % 2049;
        if (put(writer, memset(bytes, (int)sent, length), length, sent) == WY_OK) {
            lengths[sent++ % 64] = length;
            continue;
        }
        refused++;
        uint32_t some = 1 + (uint32_t)rand() % (sent - got);
        for (uint32_t i = 0; i < some; i++, got++) {
            uint32_t expected = lengths[got % 64];
            CHECK(take(reader, got, memset(bytes, (int)got, expected), expected));
        }
        wy_reader_publish_head(reader);
    }
    CHECK(refused > 100);
    while (got < sent) {
        uint32_t expected = lengths[got % 64];
        CHECK(take(reader, got, memset(bytes, (int)got, expected), expected));
        got++;
    }
    wy_reader_publish_head(reader);
    CHECK(put(writer, bytes, 2048, sent) == WY_OK);
    close_pair(&both);
    check_done("arena blocks of any size never overlap what is unread and are all reclaimed");
}

static void dropped_claims(void) {
    pair both;
    open_pair(&both, 8, 4096);
    wy_claim claim;
    uint8_t bytes[100] = {1};
    for (int i = 0; i < 100; i++) {
        CHECK(wy_writer_claim(&both.worker.completions, 1000, 1, &claim) == WY_OK);
        memset(claim.payload, 0xee, 1000);
        CHECK(wy_reader_ready(&both.daemon.completions) == 0);
    }
    CHECK(put(&both.worker.completions, bytes, 100, 5) == WY_OK);
    CHECK(take(&both.daemon.completions, 5, bytes, 100));
    close_pair(&both);
    check_done("a claim that is dropped leaves no trace");
}

static void corrupt_peers(void) {
    pair both;
    open_pair(&both, 8, 4096);
    wy_slot *slot = (wy_slot *)(void *)((uint8_t *)both.w + WY_CHANNEL_HEADER_BYTES);
    wy_slot copy;
    const uint64_t sequences[] = {2, 3, 9, UINT64_MAX, 1ull << 63};
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
        slot->sequence = sequences[i];
        CHECK(wy_reader_read(&both.daemon.completions, &copy) == WY_CORRUPT);
    }
    slot->sequence = 1;
    slot->length = 49;
    CHECK(wy_reader_read(&both.daemon.completions, &copy) == WY_CORRUPT);
    slot->length = WY_CHANNEL_INLINE_REFERENCE;
    const wy_reference references[] = {{0, 0, 0}, {4096, 1, 1}, {UINT32_MAX, UINT32_MAX, 1}, {1, 4096, 4096}, {0, 65537, 65537}};
    for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
        slot->payload.reference = references[i];
        CHECK(wy_reader_read(&both.daemon.completions, &copy) == WY_CORRUPT);
    }
    slot->payload.reference = (wy_reference){3072, 1024, 1024};
    CHECK(wy_reader_read(&both.daemon.completions, &copy) == WY_OK);
    both.w->head = 1; /* more than was ever sent */
    wy_claim claim;
    for (uint32_t i = 0; i < 8; i++) {
        CHECK(put(&both.daemon.requests, NULL, 0, i) == WY_OK);
    }
    both.w->head = 9;
    CHECK(wy_writer_claim(&both.daemon.requests, 0, 1, &claim) == WY_CORRUPT);
    both.w->head = UINT64_MAX;
    CHECK(wy_writer_claim(&both.daemon.requests, 0, 1, &claim) == WY_CORRUPT);
    close_pair(&both);
    check_done("sequences, lengths, references and heads that cannot be are corruption");
}

int main(void) {
    geometry();
    seals();
    wrap_and_full();
    arena();
    dropped_claims();
    corrupt_peers();
    return check_failures != 0;
}
