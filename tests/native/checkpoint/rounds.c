#include "rounds.h"

#include <inttypes.h>
#include <time.h>

#define VERIFY_EVERY 4u

static job *jobs;
static uint16_t job_count;
static uint64_t drawn;

static uint64_t draw(uint64_t below) {
    drawn ^= drawn << 13;
    drawn ^= drawn >> 7;
    drawn ^= drawn << 17;
    return drawn % below;
}

static void wait_ns(int64_t ns) {
    const struct timespec time = {ns / 1000000000, ns % 1000000000};
    (void)nanosleep(&time, NULL);
}

static void run_alone(mover *m, uint16_t index) {
    static mover_call call;
    mover_start(m, &call, (int)(index % 2));
    int64_t begun = mover_now_ns();
    mover_ask(&call, index, jobs[index].input);
    while (!mover_answer(&call, &jobs[index].answer)) {
        CHECK(mover_now_ns() - begun < INT64_C(60000000000), "%s does not end", jobs[index].name);
        wait_ns(200000);
    }
    printf("%-14s %016" PRIx64 " in %.1f ms\n", jobs[index].name, jobs[index].answer, (double)(mover_now_ns() - begun) / 1e6);
    mover_stop(&call);
}

/* 1: the answer was the same. */
static int run_moved(mover *m, uint16_t index) {
    static mover_call call;
    uint64_t answer = 0;
    mover_start(m, &call, (int)draw(2));
    mover_ask(&call, index, jobs[index].input);
    int64_t begun = mover_now_ns();
    while (!mover_answer(&call, &answer)) {
        wy_error error = {0};
        CHECK(mover_now_ns() - begun < INT64_C(60000000000), "%s does not end", jobs[index].name);
        wait_ns((int64_t)draw(1500000));
        uint64_t before = m->failed;
        int64_t paused = m->pause_ns_sum;
        wy_status status = mover_move(m, &call, draw(VERIFY_EVERY) == 0, &error);
        jobs[index].moved += status == WY_OK;
        jobs[index].pause_ns += m->pause_ns_sum - paused;
        if (m->failed != before) {
            printf("%s: not moved: %s: %s\n", jobs[index].name, error.where, error.message);
        }
    }
    mover_stop(&call);
    if (answer != jobs[index].answer) {
        printf("%s: %016" PRIx64 " instead of %016" PRIx64 "\n", jobs[index].name, answer, jobs[index].answer);
    }
    return answer == jobs[index].answer;
}

/* Forking changes nothing of the image but its loop's stack. */
static void check_sealed(mover *m) {
    static mover_call call;
    wy_manifest later;
    wy_runs differing = {0};
    wy_error error = {0};
    for (int i = 0; i < 20; i++) {
        mover_start(m, &call, 0);
        mover_stop(&call);
    }
    CHECK(wy_manifest_make(m->sides[0].zygote.zygote_pid, &later, &error) == WY_OK, "%s", error.message);
    CHECK(wy_manifest_compare(&m->sides[0].manifest, &later, &differing, &error) == WY_OK, "%s: %s", error.where, error.message);
    for (uint32_t i = 0; i < differing.count; i++) {
        CHECK(differing.items[i].start == WY_SEAL_STACK, "page %" PRIx64 " of a sealed zygote has changed", differing.items[i].start);
    }
    wy_runs_free(&differing);
    wy_manifest_free(&later);
    printf("sealed: 20 forks later the image is the same\n");
}

static void tell_differing(const mover *m) {
    uint64_t pages = 0;
    for (uint32_t i = 0; i < m->differing.count; i++) {
        pages += (m->differing.items[i].end - m->differing.items[i].start) / WY_PAGE;
    }
    printf("two zygotes: image %016" PRIx64 ", %u pages with content, %" PRIu64 " always travel (the loop's stack: %u)\n",
           m->sides[0].manifest.image_hash, m->sides[0].manifest.page_count, pages, (unsigned)(WY_SEAL_STACK_BYTES / WY_PAGE));
}

void rounds_begin(const test_setup *setup) {
    const char *seed = getenv("WAYANG_SEED");
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    drawn = seed == NULL ? (uint64_t)mover_now_ns() | 1 : strtoull(seed, NULL, 0) | 1;
    printf("seed %" PRIu64 ", %s\n", drawn, setup->as_root ? "as root" : "unprivileged");
}

/* A job that mostly has a signal under way is mostly put off. */
static int has_unmoved(void) {
    int unmoved = 0;
    for (uint16_t i = 0; i < job_count; i++) {
        unmoved |= jobs[i].moved == 0;
    }
    return unmoved;
}

static void tell_jobs(void) {
    for (uint16_t i = 0; i < job_count; i++) {
        printf("%-14s moved %" PRIu64 " times, paused %.2f ms\n", jobs[i].name, jobs[i].moved,
               (double)jobs[i].pause_ns / 1e6 / (double)(jobs[i].moved + (jobs[i].moved == 0)));
    }
}

void rounds_run(mover *m, job *all, uint16_t count, uint64_t most) {
    const char *wanted = getenv("WAYANG_MIGRATIONS");
    uint64_t moves = wanted == NULL ? most : strtoull(wanted, NULL, 10), wrong = 0, runs = 0;
    jobs = all;
    job_count = count;
    tell_differing(m);
    check_sealed(m);
    for (uint16_t i = 0; i < count; i++) {
        run_alone(m, i);
    }
    for (; m->moved < moves || runs < count || (has_unmoved() && runs < 40u * count); runs++) {
        wrong += !run_moved(m, (uint16_t)(runs % count));
    }
    tell_jobs();
    printf("moved %" PRIu64 " (in %" PRIu64 " runs), %" PRIu64 " of these verified (%" PRIu64 " MB); failed %" PRIu64 ", put off %" PRIu64
           ", wrong %" PRIu64 "; pause mean %.2f ms, most %.2f ms; %.1f pages each\n",
           m->moved, runs, m->verified, m->verified_bytes >> 20, m->failed, m->again, wrong, (double)m->pause_ns_sum / 1e6 / (double)m->moved,
           (double)m->pause_ns_most / 1e6, (double)m->shipped_pages / (double)m->moved);
    printf("%" PRIu64 " were written down while they ran, in %.1f rounds, and then in %.2f ms; %" PRIu64 " of these verified; %" PRIu64 " could not be\n", m->live,
           (double)m->live_rounds / (double)(m->live + (m->live == 0)), (double)m->live_frozen_ns / 1e6 / (double)(m->live + (m->live == 0)),
           m->verified_live, m->unsupported);
    CHECK(!m->as_root || m->unsupported > 0 || (m->live > 0 && m->verified_live > 0), "none was written down while it ran");
    CHECK(wrong == 0 && m->failed == 0, "%" PRIu64 " wrong, %" PRIu64 " failed", wrong, m->failed);
    for (uint16_t i = 0; i < count; i++) {
        CHECK(jobs[i].moved > 0, "%s was never moved", jobs[i].name);
    }
}
