#include "channel/ends.h"

#include <string.h>

#include "base/atomics.h"
#include "base/futex.h"

#define LOOKS_BEFORE_FLUSH 64u

static uint32_t next_number(uint32_t number) {
    return number == UINT32_MAX ? 1 : number + 1;
}

void wy_worker_end_init(wy_worker_end *end, const wy_channel_header *d, wy_channel_header *w, int doorbell_fd,
                        uint64_t *arena_end) {
    memset(end, 0, sizeof(*end));
    end->d = d;
    end->w = w;
    end->doorbell_fd = doorbell_fd;
    end->spin = d->spin;
    wy_reader_init(&end->requests, d, w);
    wy_writer_init(&end->completions, w, d, arena_end);
}

void wy_flush(wy_worker_end *end, int all) {
    wy_reader *requests = &end->requests;
    uint64_t behind = requests->position - requests->published;
    int advanced = behind >= WY_CHANNEL_HEAD_BATCH || requests->arena_read >= requests->arena_bytes / 4 ||
                   (behind != 0 && (all || wy_acquire32(&end->d->wants_space) != 0));
    if (advanced) {
        wy_reader_publish_head(requests);
    }
    /* SYNC POINT: partners are the daemon's fences between its announcements and its re-checks: `sleeping`
     * (CompletionReader.FenceSleep, wy_daemon_prepare_sleep) and `wants_space` (RequestWriter.SetWantsSpace). */
    wy_full_fence();
    uint32_t sleeping = wy_acquire32(&end->d->sleeping);
    if (sleeping != 0 && sleeping != end->rung_for) {
        end->rung_for = sleeping;
        wy_eventfd_ring(end->doorbell_fd);
    } else if (advanced && wy_acquire32(&end->d->wants_space) != 0) {
        wy_eventfd_ring(end->doorbell_fd);
    }
}

static int look(const wy_worker_end *end, uint32_t times) {
    for (uint32_t i = 0; i < times || times == WY_SPIN_FOREVER; i++) {
        if (wy_reader_ready(&end->requests)) {
            return 1;
        }
        wy_pause();
    }
    return 0;
}

void wy_wait_requests(wy_worker_end *end) {
    /* Where the next request follows at once, the daemon need not hear after each one how far we are. */
    if (look(end, end->spin < LOOKS_BEFORE_FLUSH ? end->spin : LOOKS_BEFORE_FLUSH)) {
        return;
    }
    wy_flush(end, 1);
    if (look(end, end->spin)) {
        return;
    }
    end->number = next_number(end->number);
    /* Before the announcement: every ring that answers it then changes the value that we sleep on. */
    uint32_t value = wy_acquire32(&end->d->doorbell);
    wy_release32(&end->w->sleeping, end->number);
    /* SYNC POINT: partner is the daemon's fence between its request and its look at `sleeping` (RequestWriter.Publish). */
    wy_full_fence();
    if (!wy_reader_ready(&end->requests) &&
        wy_futex_wait(&end->d->doorbell, value, WY_SLEEP_TIMEOUT_MS) == WY_TIMEOUT &&
        wy_acquire64(&end->d->head) != end->completions.tail) {
        end->rung_for = 0; /* the ring was taken before the daemon saw it (code that reads the doorbell can): once more */
    }
    wy_release32(&end->w->sleeping, 0);
}

/* One round of waiting for the daemon to advance its head. */
static wy_status wait_space(wy_worker_end *end, uint32_t length, int whole, wy_claim *claim) {
    uint32_t budget = end->spin == WY_SPIN_FOREVER ? 1000u : end->spin;
    for (uint32_t i = 0; i < budget; i++) {
        wy_status status = wy_writer_claim(&end->completions, length, whole, claim);
        if (status != WY_FULL) {
            return status;
        }
        wy_pause();
    }
    if (end->spin == WY_SPIN_FOREVER) {
        return WY_FULL;
    }
    end->number = next_number(end->number);
    uint32_t value = wy_acquire32(&end->d->doorbell);
    wy_release32(&end->w->wants_space, end->number);
    /* SYNC POINT: partner is the daemon's fence between its head and its look at `wants_space`
     * (CompletionReader.PublishHead, wy_daemon_publish_head). */
    wy_full_fence();
    wy_status status = wy_writer_claim(&end->completions, length, whole, claim);
    if (status == WY_FULL) {
        (void)wy_futex_wait(&end->d->doorbell, value, WY_SLEEP_TIMEOUT_MS);
    }
    wy_release32(&end->w->wants_space, 0);
    return status;
}

wy_status wy_claim_wait(wy_worker_end *end, uint32_t length, int whole, wy_claim *claim) {
    wy_status status = wy_writer_claim(&end->completions, length, whole, claim);
    while (status == WY_FULL) {
        wy_flush(end, 1); /* the daemon must be awake to make room */
        status = wait_space(end, length, whole, claim);
    }
    return status;
}

/* A hint without a partner: it orders nothing. */
static int bit_of(const uint64_t *words, uint32_t ticket) {
    uint32_t index = ticket % WY_CHANNEL_MAX_IN_FLIGHT;
    return (int)(wy_relaxed64(&words[index / 64]) >> (index % 64) & 1u);
}

int wy_cancelled(const wy_worker_end *end, uint32_t ticket) {
    return bit_of(end->d->cancelled, ticket);
}

int wy_save_wanted(const wy_worker_end *end, uint32_t ticket) {
    return bit_of(end->d->save_wanted, ticket);
}

void wy_daemon_end_init(wy_daemon_end *end, wy_channel_header *d, const wy_channel_header *w, uint64_t *arena_end) {
    memset(end, 0, sizeof(*end));
    end->d = d;
    end->w = w;
    wy_writer_init(&end->requests, d, w, arena_end);
    wy_reader_init(&end->completions, w, d);
}

static void ring_worker(wy_daemon_end *end) {
    wy_increment32(&end->d->doorbell);
    (void)wy_futex_wake(&end->d->doorbell, 1);
}

int wy_daemon_publish(wy_daemon_end *end) {
    /* SYNC POINT: partner is the worker's fence in wy_wait_requests. */
    wy_full_fence();
    uint32_t sleeping = wy_acquire32(&end->w->sleeping);
    if (sleeping == 0 || sleeping == end->rung_for_sleep) {
        return 0;
    }
    end->rung_for_sleep = sleeping;
    ring_worker(end);
    return 1;
}

void wy_daemon_publish_head(wy_daemon_end *end) {
    if (end->completions.published == end->completions.position) {
        return;
    }
    wy_reader_publish_head(&end->completions);
    /* SYNC POINT: partner is the worker's fence in wait_space. */
    wy_full_fence();
    uint32_t waiting = wy_acquire32(&end->w->wants_space);
    if (waiting != 0 && waiting != end->rung_for_space) {
        end->rung_for_space = waiting;
        ring_worker(end);
    }
}

int wy_daemon_prepare_sleep(wy_daemon_end *end) {
    wy_daemon_publish_head(end);
    end->number = next_number(end->number);
    wy_release32(&end->d->sleeping, end->number);
    /* SYNC POINT: partner is the worker's fence in wy_flush. */
    wy_full_fence();
    return wy_reader_ready(&end->completions);
}

void wy_daemon_awake(wy_daemon_end *end) {
    wy_release32(&end->d->sleeping, 0);
}
