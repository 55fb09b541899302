/* A real second process as the worker, killed with -9 wherever it is (inside a claim, between payload and sequence, asleep),
 * many times: the daemon never sees a half-written slot, never hangs, and every loss is a call that was in flight. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "base/atomics.h"
#include "channel/ends.h"
#include "channel/memory.h"

#define ROUNDS 300u
#define WHOLE(kind) ((uint8_t)((kind) | WY_SLOT_FIRST | WY_SLOT_LAST))

static uint64_t d_ends[WY_CHANNEL_MAX_SLOTS], w_ends[WY_CHANNEL_MAX_SLOTS];
static uint64_t replies, lost, slept;

static _Noreturn void worker_process(const wy_channel_memory *memory) {
    static wy_worker_end end;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    wy_channel_header *w = mmap(NULL, memory->w_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory->w_fd, 0);
    const wy_channel_header *d = mmap(NULL, memory->d_bytes, PROT_READ, MAP_SHARED, memory->d_fd, 0);
    wy_worker_end_init(&end, d, w, memory->doorbell_fd, w_ends);
    for (;;) {
        wy_slot slot;
        wy_status status = wy_reader_read(&end.requests, &slot);
        if (status == WY_EMPTY) {
            wy_flush(&end, 1);
            wy_wait_requests(&end);
            continue;
        }
        uint32_t length;
        uint64_t total;
        const uint8_t *bytes = wy_reader_payload(&end.requests, &slot, &length, &total);
        wy_claim claim;
        if (status != WY_OK || wy_claim_wait(&end, length, 1, &claim) != WY_OK) {
            _exit(1);
        }
        for (uint32_t i = 0; i < length; i++) {
            ((volatile uint8_t *)claim.payload)[i] = bytes[i]; /* slowly: a kill often falls here */
        }
        wy_reader_advance(&end.requests, &slot);
        wy_writer_commit(&end.completions, &claim, slot.ticket, 0, WHOLE(WY_SLOT_OUTPUT), length);
        wy_flush(&end, 0);
    }
}

/* Reads what is there; every reply must be whole and in order. */
static uint32_t drain(wy_daemon_end *daemon, uint32_t expected) {
    wy_slot slot;
    wy_status status;
    while ((status = wy_reader_read(&daemon->completions, &slot)) == WY_OK) {
        uint32_t length;
        uint64_t total;
        const uint8_t *bytes = wy_reader_payload(&daemon->completions, &slot, &length, &total);
        CHECK(slot.ticket == expected);
        CHECK(length == 1 + expected % 900);
        for (uint32_t i = 0; i < length; i++) {
            CHECK(bytes[i] == (uint8_t)(expected + i));
        }
        wy_reader_advance(&daemon->completions, &slot);
        expected++;
        replies++;
    }
    CHECK(status == WY_EMPTY);
    wy_daemon_publish_head(daemon);
    return expected;
}

static int send_call(wy_daemon_end *daemon, uint32_t ticket) {
    wy_claim claim;
    uint32_t length = 1 + ticket % 900;
    if (wy_writer_claim(&daemon->requests, length, 1, &claim) != WY_OK) {
        return 0;
    }
    for (uint32_t i = 0; i < length; i++) {
        claim.payload[i] = (uint8_t)(ticket + i);
    }
    wy_writer_commit(&daemon->requests, &claim, ticket, 0, WHOLE(WY_SLOT_CALL), length);
    return 1;
}

static void round_of(uint32_t number) {
    wy_geometry geometry = {16, 8192, 16, 8192, 0, 1 << 20, number + 1};
    wy_channel_memory memory;
    wy_daemon_end daemon;
    CHECK(wy_channel_create(&geometry, &memory, NULL) == WY_OK);
    wy_daemon_end_init(&daemon, memory.d, memory.w, d_ends);
    pid_t pid = fork();
    if (pid == 0) {
        worker_process(&memory);
    }
    uint32_t sent = 0, got = 0;
    uint32_t kill_after = 1 + (number * 7919u) % 3000;
    uint32_t window = 1 + number % 16;
    while (got < kill_after && check_group_failures == 0) {
        while (sent - got < window && send_call(&daemon, sent)) {
            sent++;
        }
        wy_daemon_publish(&daemon);
        uint32_t before = got;
        got = drain(&daemon, got);
        if (got == before) {
            if (!wy_daemon_prepare_sleep(&daemon)) {
                struct pollfd poller = {.fd = memory.doorbell_fd, .events = POLLIN};
                CHECK(poll(&poller, 1, 20000) == 1);
                slept++;
            }
            wy_daemon_awake(&daemon);
            uint64_t drained;
            (void)!read(memory.doorbell_fd, &drained, sizeof(drained));
        }
    }
    while (sent - got < window && send_call(&daemon, sent)) {
        sent++;
    }
    wy_daemon_publish(&daemon);
    for (uint32_t i = 0; i < number * 50; i++) {
        wy_pause(); /* a little later each round: the worker is somewhere else each time */
    }
    CHECK(kill(pid, SIGKILL) == 0);
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    got = drain(&daemon, got);
    CHECK(sent - got <= window);
    lost += sent - got;
    wy_channel_destroy(&memory);
}

int main(void) {
    for (uint32_t i = 0; i < ROUNDS && check_failures == 0; i++) {
        round_of(i);
    }
    (void)dprintf(1, "  %u workers killed, %llu replies, %llu calls lost in flight, %llu sleeps\n", ROUNDS,
                  (unsigned long long)replies, (unsigned long long)lost, (unsigned long long)slept);
    check_done("soak with a process that is killed mid-claim");
    return check_failures != 0;
}
