/* PS1, PS4: calls that are moved through the real spawner: written down, ended, and gone on with in a worker of the same image, in another
 * image of the same plugin, and under a spawner that was started later. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "channel/ends.h"
#include "channel/memory.h"
#include "driver.h"

#define CHAIN 0
#define ROUNDS "3000000"

static driver d;
static uint64_t next_worker = 1, wanted;
static pid_t started;

/* A call and its channel; which worker serves it changes. */
typedef struct moving {
    wy_channel_memory memory;
    wy_daemon_end end;
    uint64_t arena_end[WY_CHANNEL_MAX_SLOTS];
    uint64_t worker;
} moving;

static int new_file(void) {
    return memfd_create("captured", MFD_CLOEXEC);
}

static void wait_some(void) {
    (void)nanosleep(&(struct timespec){0, 20000000}, NULL);
}

/* The first slot of this kind; its payload's first eight bytes. */
static uint64_t hear(moving *m, uint32_t kind) {
    for (int turn = 0; turn < 100000; turn++) {
        wy_slot slot;
        if (wy_reader_read(&m->end.completions, &slot) != WY_OK) {
            (void)nanosleep(&(struct timespec){0, 200000}, NULL);
            continue;
        }
        uint32_t length;
        uint64_t total, value = 0;
        const uint8_t *payload = wy_reader_payload(&m->end.completions, &slot, &length, &total);
        memcpy(&value, payload, length < sizeof value ? length : sizeof value);
        wy_reader_advance(&m->end.completions, &slot);
        wy_daemon_publish_head(&m->end);
        CHECK((slot.kind & WY_SLOT_KIND_MASK) == kind);
        return value;
    }
    CHECK(!"the worker says nothing");
    return 0;
}

/* As the class that waits for it. */
static void begin_as(moving *m, uint64_t image, uint32_t nice_class) {
    wy_geometry geometry = {.request_slots = 64, .request_arena_bytes = 65536, .completion_slots = 64, .completion_arena_bytes = 65536,
                            .max_payload = 1 << 20, .epoch = 1};
    wy_claim claim;
    memset(m, 0, sizeof *m);
    CHECK(wy_channel_create(&geometry, &m->memory, NULL) == WY_OK);
    wy_daemon_end_init(&m->end, m->memory.d, m->memory.w, m->arena_end);
    wy_msg_worker_start start = {.worker_id = m->worker = next_worker++, .image_id = image, .nice_class = nice_class};
    const int fds[] = {m->memory.d_fd, m->memory.w_fd, m->memory.doorbell_fd};
    driver_send(&d, WY_MSG_WORKER_START, &start, sizeof start, fds, 3);
    CHECK(driver_expect(&d, WY_MSG_WORKER_STARTED));
    started = d.body.started.pid;
    (void)hear(m, WY_SLOT_READY);
    CHECK(wy_writer_claim(&m->end.requests, sizeof ROUNDS - 1, 1, &claim) == WY_OK);
    memcpy(claim.payload, ROUNDS, sizeof ROUNDS - 1);
    wy_writer_commit(&m->end.requests, &claim, 256, CHAIN, WY_SLOT_CALL | WY_SLOT_FIRST | WY_SLOT_LAST, sizeof ROUNDS - 1);
    (void)wy_daemon_publish(&m->end);
    wait_some();
}

static void begin(moving *m, uint64_t image) {
    begin_as(m, image, 0);
}

static bool capture_for(const moving *m, uint32_t flags, int file, int manifest) {
    const wy_msg_worker_capture message = {.worker_id = m->worker, .flags = flags};
    const int fds[] = {file, manifest};
    driver_send(&d, WY_MSG_WORKER_CAPTURE, &message, sizeof message, fds, manifest >= 0 ? 2 : 1);
    while (driver_receive(&d)) {
        if (d.type == WY_MSG_WORKER_CAPTURED) {
            return lseek(file, 0, SEEK_SET) == 0;
        }
        if (d.type == WY_MSG_REFUSED) {
            return false; /* the text says why */
        }
    }
    return false;
}

static bool capture(const moving *m, uint32_t flags, int file) {
    return capture_for(m, flags, file, -1);
}

static bool restore(moving *m, uint64_t image, int file) {
    wy_msg_worker_start start = {.worker_id = m->worker = next_worker++, .image_id = image};
    const int fds[] = {m->memory.d_fd, m->memory.w_fd, m->memory.doorbell_fd, file};
    driver_send(&d, WY_MSG_WORKER_RESTORE, &start, sizeof start, fds, 4);
    for (int prepared = 0; driver_receive(&d);) {
        prepared += d.type == WY_MSG_WORKER_PREPARED;
        if (d.type == WY_MSG_WORKER_RESTORED) {
            CHECK(prepared == 1);
            return true;
        }
        if (d.type == WY_MSG_REFUSED || d.type == WY_MSG_WORKER_EXITED) {
            return false;
        }
    }
    return false;
}

static void go(const moving *m) {
    const wy_msg_worker_ref message = {.worker_id = m->worker};
    driver_send(&d, WY_MSG_WORKER_GO, &message, sizeof message, NULL, 0);
}

static void end_worker(const moving *m) {
    driver_signal(&d, m->worker, SIGKILL);
    CHECK(driver_expect(&d, WY_MSG_WORKER_EXITED) && d.body.exited.worker_id == m->worker && d.body.exited.kind == WY_EXIT_KILLED);
}

static void finish(moving *m) {
    CHECK(hear(m, WY_SLOT_OUTPUT) == wanted);
    end_worker(m);
    wy_channel_destroy(&m->memory);
}

static void stays(void) {
    static moving m;
    begin(&m, 1);
    wanted = hear(&m, WY_SLOT_OUTPUT);
    end_worker(&m);
    wy_channel_destroy(&m.memory);
    check_done("a call that stays");
}

static void moves(uint64_t image, uint32_t flags, const char *what) {
    static moving m;
    int file = new_file();
    begin(&m, 1);
    CHECK(capture(&m, flags, file));
    end_worker(&m);
    CHECK(restore(&m, image, file));
    go(&m);
    CHECK(driver_expect(&d, WY_MSG_WORKER_STARTED) && d.body.started.worker_id == m.worker);
    finish(&m);
    close(file);
    check_done(what);
}

/* What a worker of the image is asked for; a sealed copy. */
static int manifest_of(uint64_t image) {
    static moving m;
    static uint8_t bytes[1 << 20];
    int file = memfd_create("manifest", MFD_CLOEXEC);
    begin(&m, image);
    CHECK(capture(&m, WY_CAPTURE_MANIFEST, file));
    finish(&m); /* it was not frozen */
    ssize_t length = read(file, bytes, sizeof bytes);
    CHECK(length > 0);
    close(file);
    return sealed_file(bytes, (size_t)length);
}

/* Its difference from the image as the other zygote has it: as between two nodes. */
static void for_the_other(void) {
    static moving m;
    int file = new_file(), there = manifest_of(2), damaged = sealed_file("no manifest", 11);
    begin(&m, 1);
    CHECK(!capture_for(&m, 0, file, damaged) && strstr(d.body.failure.text, "manifest") != NULL);
    bool captured = capture_for(&m, 0, file, there);
    if (!captured) {
        printf("  %s\n", d.body.failure.text);
    }
    CHECK(captured);
    end_worker(&m);
    CHECK(restore(&m, 2, file));
    go(&m);
    CHECK(driver_expect(&d, WY_MSG_WORKER_STARTED));
    finish(&m);
    close(file);
    close(there);
    close(damaged);
    check_done("moved to another zygote, by what differs from that one's image");
}

static void classes(void) {
    static const int nices[] = {0, 10, 19, -5};
    static moving m;
    for (uint32_t class = 0; class < 4; class++) {
        begin_as(&m, 1, class);
        CHECK(getpriority(PRIO_PROCESS, (id_t)started) == (geteuid() == 0 || class != 3 ? nices[class] : 0));
        end_worker(&m);
        wy_channel_destroy(&m.memory);
    }
    check_done("a call worker weighs from the start as the class that waits for it");
}

static void thawed(void) {
    static moving m;
    int file = new_file();
    begin(&m, 1);
    CHECK(capture(&m, 0, file));
    go(&m);
    wait_some(); /* the agent goes with it */
    CHECK(ftruncate(file, 0) == 0 && capture(&m, WY_CAPTURE_WHOLE, file)); /* and again */
    go(&m);
    finish(&m);
    close(file);
    check_done("captured twice, told to go on each time");
}

static void refusals(void) {
    static moving m;
    int file = new_file(), empty = new_file();
    wy_msg_worker_ref nobody = {.worker_id = 999};
    begin(&m, 3);
    CHECK(!capture(&m, 0, file) && strstr(d.body.failure.text, "migratable") != NULL);
    go(&m);
    CHECK(driver_expect(&d, WY_MSG_REFUSED));
    end_worker(&m);
    wy_channel_destroy(&m.memory);
    driver_send(&d, WY_MSG_WORKER_GO, &nobody, sizeof nobody, NULL, 0);
    CHECK(driver_expect(&d, WY_MSG_REFUSED));
    begin(&m, 1);
    CHECK(capture(&m, 0, file));
    CHECK(!capture(&m, 0, empty) && strstr(d.body.failure.text, "already") != NULL);
    end_worker(&m);
    CHECK(!restore(&m, 3, file) && d.type == WY_MSG_REFUSED);
    CHECK(!restore(&m, 1, empty) && d.type == WY_MSG_WORKER_EXITED && d.body.exited.kind == WY_EXIT_NOT_STARTED);
    CHECK(strstr(d.body.exited.text, "broke off") != NULL);
    CHECK(pwrite(file, "damage", 6, 5000) == 6);
    CHECK(!restore(&m, 1, file) && d.type == WY_MSG_WORKER_EXITED && strstr(d.body.exited.text, "damaged") != NULL);
    wy_channel_destroy(&m.memory);
    close(file);
    close(empty);
    check_done("what cannot be moved is refused, a bad stream ends its worker with the reason");
}

/* A restored worker that the daemon gives up, and one whose image goes. */
static void given_up(void) {
    static moving m;
    int file = new_file();
    begin(&m, 1);
    CHECK(capture(&m, WY_CAPTURE_WHOLE, file));
    end_worker(&m);
    CHECK(restore(&m, 1, file));
    end_worker(&m); /* never told to go */
    CHECK(lseek(file, 0, SEEK_SET) == 0 && restore(&m, 2, file));
    wy_msg_image_ref ref = {.image_id = 2};
    driver_send(&d, WY_MSG_IMAGE_CLOSE, &ref, sizeof ref, NULL, 0);
    CHECK(driver_expect(&d, WY_MSG_IMAGE_GONE) && d.body.failure.id == 2);
    CHECK(lseek(file, 0, SEEK_SET) == 0 && restore(&m, 1, file)); /* the file still serves */
    go(&m);
    CHECK(driver_expect(&d, WY_MSG_WORKER_STARTED));
    finish(&m);
    close(file);
    check_done("a restored worker that is given up, or loses its image, never runs; the file serves again");
}

static void later(const char *instance) {
    static moving m;
    int file = new_file();
    begin(&m, 1);
    CHECK(capture(&m, WY_CAPTURE_WHOLE, file));
    CHECK(driver_kill(&d) == -SIGKILL);
    CHECK(driver_start(&d, instance));
    CHECK(driver_migratable_image(&d, 1, "compute", WY_TEST_JOBS));
    CHECK(restore(&m, 1, file));
    go(&m);
    CHECK(driver_expect(&d, WY_MSG_WORKER_STARTED));
    finish(&m);
    close(file);
    check_done("a spawner that was killed: the call goes on under the next one, from its file");
}

int main(int argc, char **argv) {
    char instance[40];
    int skip = driver_identity(argc, argv);
    if (skip != 0) {
        return skip;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    snprintf(instance, sizeof instance, "test-moves-%d", (int)getpid());
    CHECK(driver_start(&d, instance));
    CHECK((d.body.welcome.features & WY_FEATURE_MIGRATION) != 0);
    CHECK(driver_migratable_image(&d, 1, "compute", WY_TEST_JOBS) && driver_migratable_image(&d, 2, "compute", WY_TEST_JOBS));
    CHECK(driver_plugin_image(&d, 3, "compute", WY_TEST_JOBS));
    CHECK(!driver_migratable_image(&d, 4, "standard", WY_TEST_JOBS));
    stays();
    moves(1, 0, "moved within its zygote, what it changed alone");
    moves(1, WY_CAPTURE_WHOLE, "moved within its zygote, whole");
    moves(2, WY_CAPTURE_WHOLE, "moved to another zygote");
    moves(1, WY_CAPTURE_LIVE, "moved within its zygote, written down while it ran");
    moves(2, WY_CAPTURE_WHOLE | WY_CAPTURE_LIVE, "moved to another zygote, written down while it ran");
    for_the_other();
    classes();
    thawed();
    refusals();
    given_up();
    later(instance);
    CHECK(driver_end(&d) == 0);
    return check_failures != 0;
}
