/* Both ends as threads of one process, through the real sleeping protocol: the harness for ThreadSanitizer. The daemon
 * sends calls of mixed sizes and sleeps in poll on the doorbell; the worker echoes and sleeps on the futex. */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../check.h"
#include "base/atomics.h"
#include "channel/ends.h"
#include "channel/memory.h"

#define CALLS 60000u
#define WHOLE(kind) ((uint8_t)((kind) | WY_SLOT_FIRST | WY_SLOT_LAST))

static uint64_t d_ends[WY_CHANNEL_MAX_SLOTS], w_ends[WY_CHANNEL_MAX_SLOTS];
static wy_worker_end worker;
static uint32_t timeouts; /* sleeps that only the second line of defence ended */

static uint32_t size_of(uint32_t ticket) {
    return ticket % 3 == 0 ? ticket % 1900 : ticket % 49;
}

static void *work(void *argument) {
    (void)argument;
    static uint8_t private_copy[4096];
    for (;;) {
        wy_slot slot;
        wy_status status = wy_reader_read(&worker.requests, &slot);
        if (status == WY_EMPTY) {
            wy_flush(&worker, 1);
            wy_wait_requests(&worker);
            continue;
        }
        if (status != WY_OK || (slot.kind & WY_SLOT_KIND_MASK) == WY_SLOT_STOP) {
            return (void *)(uintptr_t)(status != WY_OK);
        }
        uint32_t length;
        uint64_t total;
        const uint8_t *bytes = wy_reader_payload(&worker.requests, &slot, &length, &total);
        memcpy(private_copy, bytes, length);
        wy_reader_advance(&worker.requests, &slot);
        wy_claim claim;
        if (wy_claim_wait(&worker, length, 1, &claim) != WY_OK) {
            return (void *)1;
        }
        memcpy(claim.payload, private_copy, length);
        wy_writer_commit(&worker.completions, &claim, slot.ticket, 0, WHOLE(WY_SLOT_OUTPUT), length);
        wy_flush(&worker, 0);
    }
}

static int send_call(wy_daemon_end *daemon, uint32_t ticket, uint8_t kind) {
    static uint8_t bytes[4096];
    uint32_t length = kind == WY_SLOT_CALL ? size_of(ticket) : 0;
    wy_claim claim;
    if (wy_writer_claim(&daemon->requests, length, 1, &claim) != WY_OK) {
        return 0;
    }
    memcpy(claim.payload, memset(bytes, (int)ticket, length), length);
    wy_writer_commit(&daemon->requests, &claim, ticket, 0, WHOLE(kind), length);
    return 1;
}

static int check_reply(wy_daemon_end *daemon, uint32_t ticket) {
    wy_slot slot;
    uint32_t length;
    uint64_t total;
    wy_status status = wy_reader_read(&daemon->completions, &slot);
    if (status == WY_EMPTY) {
        return 0;
    }
    CHECK(status == WY_OK && slot.ticket == ticket);
    const uint8_t *bytes = wy_reader_payload(&daemon->completions, &slot, &length, &total);
    CHECK(length == size_of(ticket));
    for (uint32_t i = 0; i < length; i++) {
        CHECK(bytes[i] == (uint8_t)ticket);
    }
    wy_reader_advance(&daemon->completions, &slot);
    if (daemon->completions.position - daemon->completions.published >= WY_CHANNEL_HEAD_BATCH) {
        wy_daemon_publish_head(daemon);
    }
    return 1;
}

/* A production daemon never reads the doorbell (edge-triggered epoll); poll with a drain is the same for one waiter. */
static void sleep_on_doorbell(wy_daemon_end *daemon, int doorbell) {
    if (!wy_daemon_prepare_sleep(daemon)) {
        struct pollfd poller = {.fd = doorbell, .events = POLLIN};
        if (poll(&poller, 1, WY_SLEEP_TIMEOUT_MS * 4) == 0) {
            timeouts++;
        }
    }
    wy_daemon_awake(daemon);
    uint64_t drained;
    (void)!read(doorbell, &drained, sizeof(drained));
}

static void run(uint32_t window, uint32_t spin, uint32_t slots, const char *group) {
    wy_geometry geometry = {slots, 16384, slots, 16384, spin, 1 << 20, 1};
    wy_channel_memory memory;
    wy_daemon_end daemon;
    CHECK(wy_channel_create(&geometry, &memory, NULL) == WY_OK);
    wy_channel_header *w = mmap(NULL, memory.w_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.w_fd, 0);
    wy_daemon_end_init(&daemon, memory.d, w, d_ends); /* the same view for both: ThreadSanitizer goes by address */
    wy_worker_end_init(&worker, memory.d, w, memory.doorbell_fd, w_ends);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
    uint32_t sent = 0, got = 0;
    while (got < CALLS && check_group_failures == 0) {
        while (sent < CALLS && sent - got < window && send_call(&daemon, sent, WY_SLOT_CALL)) {
            sent++;
        }
        wy_daemon_publish(&daemon);
        uint32_t before = got;
        while (got < sent && check_reply(&daemon, got)) {
            got++;
        }
        if (got == before) {
            sleep_on_doorbell(&daemon, memory.doorbell_fd);
        }
    }
    while (!send_call(&daemon, 0, WY_SLOT_STOP)) {
    }
    wy_daemon_publish(&daemon);
    void *result;
    CHECK(pthread_join(thread, &result) == 0 && result == NULL);
    CHECK(got == CALLS);
    CHECK(timeouts == 0);
    (void)munmap(w, memory.w_bytes);
    wy_channel_destroy(&memory);
    check_done(group);
}

int main(void) {
    run(1, 0, 64, "one in flight, sleeping");
    run(16, 0, 64, "16 in flight, sleeping");
    run(64, 200, 8, "as many as 8 slots hold, spinning a little");
    return check_failures != 0;
}
