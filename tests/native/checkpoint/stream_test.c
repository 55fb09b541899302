/* PS4: a captured worker's bytes: what was written comes back; what was damaged, cut off, or never came from us is refused. */
#include "../check.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "channel/layout.h"
#include "checkpoint/hash.h"
#include "checkpoint/stream.h"

static wy_vma mappings[] = {
    {.start = 0x10000, .end = 0x30000, .flags = WY_VMA_READ | WY_VMA_WRITE},
    {.start = 0x555555554000, .end = 0x555555556000, .flags = WY_VMA_READ | WY_VMA_EXEC | WY_VMA_FILE, .name_hash = 7, .offset = 0x1000},
    {.start = 0x7ffffffde000, .end = 0x7ffffffff000, .flags = WY_VMA_READ | WY_VMA_WRITE | WY_VMA_STACK},
};
static wy_snapshot snapshot;
static const wy_manifest image = {.image_hash = 0x1234, .cpu_hash = 0x5678};
static uint8_t pages[3 * WY_PAGE];

static int file(void) {
    return memfd_create("stream", MFD_CLOEXEC);
}

static size_t write_all(int fd) {
    wy_stream stream = WY_STREAM_ON(fd);
    snapshot.vmas = (wy_vmas){mappings, sizeof mappings / sizeof mappings[0]};
    snapshot.heap_end = 0x20010;
    snapshot.handled = 1u << 5 | 1u << 10;
    snapshot.actions[5].handler = 0x555555554100;
    snapshot.registers.xsave_bytes = 2696;
    memset(snapshot.registers.xsave, 0x5a, 2696);
    snapshot.registers.general.rip = 0x555555554242;
    for (size_t i = 0; i < sizeof pages; i++) {
        pages[i] = (uint8_t)(i * 7 + i / 255);
    }
    CHECK(wy_stream_write_head(&stream, &snapshot, &image, 0, 0, NULL) == WY_OK);
    CHECK(wy_stream_write_pages(&stream, 0x11000, pages, 3, NULL) == WY_OK);
    CHECK(wy_stream_write_empty(&stream, 0x20000, 2, NULL) == WY_OK);
    CHECK(wy_stream_write_pages(&stream, 0x7ffffffe0000, pages + WY_PAGE, 1, NULL) == WY_OK);
    CHECK(wy_stream_write_end(&stream, NULL) == WY_OK);
    return (size_t)stream.bytes;
}

/* Written while the worker ran: two rounds, then what it was when it stood still. */
static size_t write_live(int fd) {
    wy_stream stream = WY_STREAM_ON(fd);
    (void)write_all(fd); /* makes the snapshot */
    CHECK(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    CHECK(wy_stream_write_head(&stream, &snapshot, &image, 1, 1, NULL) == WY_OK);
    CHECK(wy_stream_write_pages(&stream, 0x7ffffffe0000, pages, 1, NULL) == WY_OK);
    CHECK(wy_stream_write_round(&stream, NULL) == WY_OK);
    CHECK(wy_stream_write_pages(&stream, 0x11000, pages, 3, NULL) == WY_OK);
    CHECK(wy_stream_write_head(&stream, &snapshot, &image, 1, 0, NULL) == WY_OK);
    CHECK(wy_stream_write_pages(&stream, 0x11000, pages + WY_PAGE, 1, NULL) == WY_OK);
    CHECK(wy_stream_write_end(&stream, NULL) == WY_OK);
    return (size_t)stream.bytes;
}

/* Reads as restore does; the number of records, or -1. */
static int read_all(int fd, wy_snapshot *out, wy_error *error) {
    static uint8_t room[WY_BATCH_PAGES * WY_PAGE];
    wy_stream stream = WY_STREAM_ON(fd);
    wy_stream_head head;
    int records = 0;
    (void)lseek(fd, 0, SEEK_SET);
    wy_status status = wy_stream_read_head(&stream, &head, out, error);
    while (status == WY_OK && !stream.ended) {
        wy_record record;
        status = wy_stream_read(&stream, &record, room, error);
        records += status == WY_OK;
        if (status == WY_OK && stream.head_next) {
            wy_snapshot_free(out);
            status = wy_stream_read_head(&stream, &head, out, error);
        }
    }
    return status == WY_OK ? records : -1;
}

static void comes_back(void) {
    static wy_snapshot back;
    wy_error error = {0};
    int fd = file();
    (void)write_all(fd);
    CHECK(read_all(fd, &back, &error) == 4);
    CHECK(back.heap_end == snapshot.heap_end && back.handled == snapshot.handled);
    CHECK(memcmp(back.actions, snapshot.actions, sizeof back.actions) == 0);
    CHECK(back.vmas.count == 3 && memcmp(back.vmas.items, mappings, sizeof mappings) == 0);
    CHECK(back.registers.general.rip == 0x555555554242 && back.registers.xsave_bytes == 2696);
    CHECK(memcmp(back.registers.xsave, snapshot.registers.xsave, 2696) == 0);
    wy_snapshot_free(&back);
    (void)close(fd);
    check_done("what was written comes back");
}

static void every_damage(size_t (*write_it)(int), int count) {
    static wy_snapshot back;
    wy_error error;
    int fd = file();
    size_t bytes = write_it(fd);
    for (size_t at = 0; at < bytes; at += at < 4096 ? 1 : 61) {
        uint8_t was = 0, changed;
        CHECK(pread(fd, &was, 1, (off_t)at) == 1);
        changed = (uint8_t)(was ^ 1u << at % 8);
        CHECK(pwrite(fd, &changed, 1, (off_t)at) == 1);
        int records = read_all(fd, &back, &error);
        CHECK(records == -1);
        if (records >= 0) {
            (void)dprintf(1, "  byte %zu\n", at);
        }
        wy_snapshot_free(&back);
        CHECK(pwrite(fd, &was, 1, (off_t)at) == 1);
    }
    CHECK(read_all(fd, &back, &error) == count);
    wy_snapshot_free(&back);
    (void)close(fd);
    check_done("every damaged byte is noticed");
}

static void every_cut(size_t (*write_it)(int)) {
    static wy_snapshot back;
    wy_error error;
    int fd = file();
    for (size_t bytes = write_it(fd); bytes > 0;) {
        bytes -= bytes > 97 ? 97 : bytes;
        CHECK(ftruncate(fd, (off_t)bytes) == 0);
        CHECK(read_all(fd, &back, &error) == -1);
        CHECK(error.status == WY_CLOSED);
        wy_snapshot_free(&back);
    }
    (void)close(fd);
    check_done("every cut is noticed");
}

static void refused_mappings(void) {
    static const wy_vma bad[] = {
        {.start = 0x30000, .end = 0x20000, .flags = WY_VMA_READ},
        {.start = 0x10001, .end = 0x20000, .flags = WY_VMA_READ},
        {.start = 0, .end = 0x1000, .flags = WY_VMA_READ},
        {.start = 0x10000, .end = UINT64_C(0x800000000000), .flags = WY_VMA_READ},
        {.start = 0x10000, .end = 0x20000, .flags = 0x100},
        {.start = 0x10000, .end = 0x20000, .flags = WY_VMA_READ | WY_VMA_SHARED},
        {.start = 0x10000, .end = 0x20000, .flags = WY_VMA_READ | WY_VMA_KERNEL},
        {.start = WY_CHANNEL_D_ADDRESS, .end = WY_CHANNEL_D_ADDRESS + 0x1000, .flags = WY_VMA_READ},
        {.start = WY_CHANNEL_D_ADDRESS - 0x1000, .end = WY_CHANNEL_W_ADDRESS, .flags = WY_VMA_READ},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wy_vma one = bad[i];
        const wy_vmas list = {&one, 1};
        wy_error error = {0};
        CHECK(wy_vmas_check(&list, &error) != WY_OK);
        CHECK(error.message[0] != '\0');
    }
    wy_vma two[] = {mappings[1], mappings[0]};
    const wy_vmas disorder = {two, 2}, order = {mappings, 3};
    CHECK(wy_vmas_check(&disorder, NULL) == WY_CORRUPT);
    CHECK(wy_vmas_check(&order, NULL) == WY_OK);
    check_done("impossible mappings are refused");
}

static void order(void) {
    wy_error error;
    static wy_snapshot back;
    int fd = file();
    wy_stream stream = WY_STREAM_ON(fd);
    CHECK(wy_stream_write_head(&stream, &snapshot, &image, 0, 0, NULL) == WY_OK);
    CHECK(wy_stream_write_pages(&stream, 0x12000, pages, 1, NULL) == WY_OK);
    CHECK(wy_stream_write_pages(&stream, 0x11000, pages, 1, NULL) == WY_OK);
    CHECK(wy_stream_write_end(&stream, NULL) == WY_OK);
    CHECK(read_all(fd, &back, &error) == -1 && error.status == WY_CORRUPT);
    wy_snapshot_free(&back);
    (void)close(fd);
    check_done("pages come in order");
}

/* What only a stream with a live head may have, in the order in which it may. */
static void rounds(void) {
    static wy_snapshot back;
    wy_error error;
    for (int kind = 0; kind < 5; kind++) {
        int fd = file();
        wy_stream stream = WY_STREAM_ON(fd);
        CHECK(wy_stream_write_head(&stream, &snapshot, &image, 0, kind != 0, NULL) == WY_OK);
        for (uint32_t i = 0; i < (kind == 1 ? WY_STREAM_ROUNDS : 1); i++) {
            CHECK(wy_stream_write_round(&stream, NULL) == WY_OK); /* 0: of one that stood still; 1: one too many */
        }
        stream.round += kind == 2;
        CHECK(wy_stream_write_round(&stream, NULL) == WY_OK); /* 2: out of order */
        stream.live = kind == 4 ? 0 : stream.live;            /* 4: without its record */
        if (kind != 3) {                                      /* 3: no second head */
            CHECK(wy_stream_write_head(&stream, &snapshot, &image, 0, 0, NULL) == WY_OK);
        }
        CHECK(wy_stream_write_end(&stream, NULL) == WY_OK);
        CHECK(read_all(fd, &back, &error) == -1 && error.status == WY_CORRUPT);
        wy_snapshot_free(&back);
        (void)close(fd);
    }
    check_done("rounds out of order or too many, and a second head that is missing or not due, are refused");
}

static void hashes(void) {
    uint8_t page[WY_PAGE] = {0};
    uint64_t empty = wy_hash64(page, sizeof page, 0);
    for (size_t bit = 0; bit < sizeof page * 8; bit += 5) {
        page[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(wy_hash64(page, sizeof page, 0) != empty);
        page[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CHECK(wy_hash64(page, sizeof page, 1) != empty && wy_hash64(page, sizeof page - 1, 0) != empty);
    CHECK(wy_hash64(page, sizeof page, 0) == empty);
    check_done("a hash tells one bit");
}

static void manifests(void) {
    static wy_page_hash hashes_of[] = {{0x10000 | WY_PAGE_OWN, 1}, {0x11000, 2}, {0x7ffffffde000 | WY_PAGE_OWN, 3}};
    const wy_manifest told = {.image_hash = 5, .cpu_hash = 6, .vmas = {mappings, 3}, .pages = hashes_of, .page_count = 3};
    wy_manifest back;
    wy_error error;
    uint64_t bytes = 0;
    int fd = file();
    CHECK(wy_manifest_write(&told, fd, &bytes, NULL) == WY_OK);
    (void)lseek(fd, 0, SEEK_SET);
    CHECK(wy_manifest_read(fd, &back, &error) == WY_OK);
    CHECK(back.image_hash == 5 && back.cpu_hash == 6 && back.page_count == 3 && back.vmas.count == 3);
    CHECK(memcmp(back.pages, hashes_of, sizeof hashes_of) == 0 && memcmp(back.vmas.items, mappings, sizeof mappings) == 0);
    wy_manifest_free(&back);
    for (uint64_t at = 0; at < bytes; at++) {
        uint8_t was = 0, changed;
        CHECK(pread(fd, &was, 1, (off_t)at) == 1);
        changed = (uint8_t)(was ^ 1u << at % 8);
        CHECK(pwrite(fd, &changed, 1, (off_t)at) == 1);
        (void)lseek(fd, 0, SEEK_SET);
        CHECK(wy_manifest_read(fd, &back, &error) == WY_CORRUPT);
        wy_manifest_free(&back);
        CHECK(pwrite(fd, &was, 1, (off_t)at) == 1);
    }
    CHECK(ftruncate(fd, (off_t)bytes - 1) == 0);
    (void)lseek(fd, 0, SEEK_SET);
    CHECK(wy_manifest_read(fd, &back, &error) == WY_CLOSED);
    wy_manifest_free(&back);
    hashes_of[1].address = 0x9000; /* out of order, with a hash that fits */
    CHECK(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 && wy_manifest_write(&told, fd, &bytes, NULL) == WY_OK);
    (void)lseek(fd, 0, SEEK_SET);
    CHECK(wy_manifest_read(fd, &back, &error) == WY_CORRUPT);
    wy_manifest_free(&back);
    (void)close(fd);
    check_done("a manifest comes back; damage, a cut and disorder are noticed");
}

static void comparison(void) {
    static wy_page_hash here[] = {{0x10000 | WY_PAGE_OWN, 1}, {0x11000 | WY_PAGE_OWN, 2}, {0x12000 | WY_PAGE_OWN, 3}};
    static wy_page_hash there[] = {{0x10000 | WY_PAGE_OWN, 1}, {0x11000 | WY_PAGE_OWN, 9}, {0x13000 | WY_PAGE_OWN, 3}};
    wy_manifest a = {.image_hash = 5, .cpu_hash = 6, .vmas = {mappings, 3}, .pages = here, .page_count = 3}, b = a;
    wy_runs differing = {0};
    wy_error error;
    b.pages = there;
    CHECK(wy_manifest_compare(&a, &b, &differing, &error) == WY_OK);
    CHECK(differing.count == 1 && differing.items[0].start == 0x11000 && differing.items[0].end == 0x14000);
    wy_runs_free(&differing);
    b.cpu_hash = 7;
    CHECK(wy_manifest_compare(&a, &b, &differing, &error) == WY_DENIED && strcmp(error.where, "processor") == 0);
    b.cpu_hash = 6;
    b.image_hash = 4;
    CHECK(wy_manifest_compare(&a, &b, &differing, &error) == WY_DENIED && strcmp(error.where, "image") == 0);
    check_done("two images: which pages differ, and what forbids it");
}

int main(void) {
    comes_back();
    every_damage(write_all, 4);
    every_cut(write_all);
    every_damage(write_live, 6);
    every_cut(write_live);
    rounds();
    refused_mappings();
    order();
    hashes();
    manifests();
    comparison();
    return check_failures == 0 ? 0 : 1;
}
