/* A hostile daemon against the real spawner: whatever it sends is refused and logged, changes nothing, and a correct message
 * still works afterwards. The seed is printed. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../check.h"
#include "driver.h"
#include "spawner/wire.h"

#define MUTATIONS 20000

static driver d;

static bool refused(const char *why) {
    if (!driver_receive(&d) || d.type != WY_MSG_REFUSED) {
        printf("  expected a refusal (%s), got type %u\n", why, d.type);
        return false;
    }
    if (strstr(d.body.failure.text, why) == NULL) {
        printf("  expected \"%s\" in \"%s\"\n", why, d.body.failure.text);
        return false;
    }
    return true;
}

static void malformed(void) {
    uint8_t bytes[WY_MSG_MAX_BYTES];
    wy_msg_header header = {WY_MSG_MAGIC, WY_MSG_VERSION, WY_MSG_IMAGE_CLOSE, sizeof header + 8, 0, 7};
    memset(bytes, 0, sizeof bytes);
    CHECK(driver_raw(&d, "x", 1, NULL, 0) && refused("not a message"));
    CHECK(driver_raw(&d, &header, sizeof header - 1, NULL, 0) && refused("not a message"));
    memcpy(bytes, &header, sizeof header);
    CHECK(driver_raw(&d, bytes, sizeof header, NULL, 0) && refused("length says"));
    CHECK(driver_raw(&d, bytes, sizeof header + 9, NULL, 0) && refused("length says"));
    CHECK(driver_raw(&d, bytes, sizeof bytes, NULL, 0) && refused("length says"));
    header.length = UINT32_MAX;
    memcpy(bytes, &header, sizeof header);
    CHECK(driver_raw(&d, bytes, sizeof header + 8, NULL, 0) && refused("length says"));
    header.length = sizeof header + 8;
    header.magic++;
    memcpy(bytes, &header, sizeof header);
    CHECK(driver_raw(&d, bytes, sizeof header + 8, NULL, 0) && refused("not ours"));
    header.magic--;
    header.version = 2;
    memcpy(bytes, &header, sizeof header);
    CHECK(driver_raw(&d, bytes, sizeof header + 8, NULL, 0) && refused("not ours"));
    uint8_t *oversized = calloc(1, WY_MSG_MAX_BYTES + 4096);
    header.version = WY_MSG_VERSION;
    memcpy(oversized, &header, sizeof header);
    CHECK(driver_raw(&d, oversized, WY_MSG_MAX_BYTES + 4096, NULL, 0) && refused("did not fit"));
    free(oversized);
    for (uint16_t type = 0; type < 70; type++) {
        if ((type >= 1 && type <= 7) || type == WY_MSG_PROFILE_DEFINE || type == WY_MSG_WORKER_NETWORK ||
            type == WY_MSG_WORKER_CLASS || (type >= WY_MSG_WORKER_FREEZE && type <= WY_MSG_WORKER_GO) || type == WY_MSG_SCAN) {
            continue;
        }
        header.type = type;
        memcpy(bytes, &header, sizeof header);
        CHECK(driver_raw(&d, bytes, sizeof header + 8, NULL, 0) && refused("unknown"));
    }
    check_done("malformed, truncated, oversized, of unknown type, spawner's own types");
}

static void open_image_as(const char *profile, const char *name, uint32_t kind, uint64_t id, const int *fds, int count) {
    wy_msg_image_open m = {.image_id = id, .kind = kind};
    memcpy(m.profile, profile, strlen(profile));
    memcpy(m.name, name, strlen(name));
    driver_send(&d, WY_MSG_IMAGE_OPEN, &m, sizeof m, fds, count);
}

static void names(void) {
    char full[WY_NAME_BYTES + 1];
    memset(full, 'a', WY_NAME_BYTES);
    full[WY_NAME_BYTES] = 0;
    static const char *const bad[] = {"../standard", "/etc/passwd", "..", ".hidden", "", "a b", "a\n", "standard/../../x",
                                      "x\xff", "%n%n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        open_image_as(bad[i], "n", WY_IMAGE_COMMAND, 9, NULL, 0);
        CHECK(refused("profile or name"));
        open_image_as("standard", bad[i], WY_IMAGE_COMMAND, 9, NULL, 0);
        CHECK(refused("profile or name"));
    }
    open_image_as(full, "n", WY_IMAGE_COMMAND, 9, NULL, 0);
    CHECK(refused("profile or name"));
    open_image_as("unheard-of", "n", WY_IMAGE_COMMAND, 9, NULL, 0);
    CHECK(refused("no profile"));
    open_image_as("standard", "n", 77, 9, NULL, 0);
    CHECK(refused("kind 77"));
    open_image_as("standard", "n", WY_IMAGE_COMMAND, 0, NULL, 0);
    CHECK(refused("id is 0"));
    check_done("names with .., /, control characters; unknown profile, kind, id 0");
}

static void descriptors(void) {
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int plain = memfd_create("plain", MFD_CLOEXEC), sealed = sealed_file("ELF?", 4), event = eventfd(0, EFD_CLOEXEC);
    int path = open("/dev/null", O_PATH | O_CLOEXEC), pair[2], many[14];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    for (int i = 0; i < 14; i++) {
        many[i] = null_fd;
    }
    open_image_as("standard", "n", WY_IMAGE_C_PLUGIN, 9, NULL, 0);
    CHECK(refused("descriptors"));
    open_image_as("standard", "n", WY_IMAGE_COMMAND, 9, &sealed, 1);
    CHECK(refused("descriptors"));
    open_image_as("standard", "n", WY_IMAGE_C_PLUGIN, 9, many, 14);
    CHECK(refused("descriptors"));
    const int bad_sources[] = {null_fd, root, plain, event, path, pair[0]};
    for (size_t i = 0; i < sizeof bad_sources / sizeof bad_sources[0]; i++) {
        open_image_as("standard", "n", WY_IMAGE_C_PLUGIN, 9, &bad_sources[i], 1);
        CHECK(refused("memfd"));
    }
    wy_msg_worker_start start = {.worker_id = 5, .image_id = 1};
    const int bad_channel[] = {null_fd, root, plain, sealed, event, pair[0]};
    for (size_t i = 0; i < sizeof bad_channel / sizeof bad_channel[0]; i++) {
        int fds[3] = {bad_channel[i], bad_channel[i], event};
        driver_send(&d, WY_MSG_WORKER_START, &start, sizeof start, fds, 3);
        CHECK(refused("D "));
    }
    const char *const argv[] = {"/bin/true", NULL};
    int arguments = command_arguments(argv);
    const int bad_streams[] = {root, event, path, pair[0]};
    for (size_t i = 0; i < sizeof bad_streams / sizeof bad_streams[0]; i++) {
        for (int place = 1; place < 4; place++) {
            int fds[4] = {arguments, null_fd, null_fd, null_fd};
            fds[place] = bad_streams[i];
            driver_send(&d, WY_MSG_COMMAND_START, &start, sizeof start, fds, 4);
            CHECK(refused("neither a pipe"));
        }
    }
    int too_few[3] = {arguments, null_fd, null_fd};
    driver_send(&d, WY_MSG_COMMAND_START, &start, sizeof start, too_few, 3);
    CHECK(refused("descriptors"));
    int *all[] = {&null_fd, &root, &plain, &sealed, &event, &path, &pair[0], &pair[1], &arguments};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        close(*all[i]);
    }
    check_done("descriptors: wrong numbers, directories, sockets, O_PATH, unsealed files");
}

/* Each limit at and above the ceiling of the profile, and against the others of the same message. */
static void limits_of(const wy_msg_worker_start *good, const int fds[4]) {
    const uint64_t gib = UINT64_C(1) << 30;
    const struct {
        wy_msg_worker_start asked;
        const char *why;
    } cases[] = {
        {{.memory_bytes = 2 * gib + 1}, "allows"},
        {{.tmpfs_bytes = 64 * gib + 1}, "allows"},
        {{.disk_bytes = gib}, "no directory for it was given"},
        {{.disk_bytes = UINT64_MAX, .tmpfs_bytes = 1}, "no directory for it was given"},
        {{.tmpfs_bytes = UINT64_MAX}, "allows"},
        {{.pids = 257}, "allows"},
        {{.pids = UINT32_MAX}, "allows"},
        {{.memory_bytes = 1 << 20, .tmpfs_bytes = (1 << 20) + 1}, "lies in memory"},
        {{.memory_bytes = 1 << 20, .reserve_bytes = (1 << 20) + 1}, "reserved"},
        {{.reserve_bytes = UINT64_MAX}, "reserved"},
        {{.cpu_milli = 9}, "cpu_milli"},
        {{.cpu_milli = UINT32_MAX}, "cpu_milli"},
        {{.io = {.read_bytes = WY_LEAST_IO_BYTES - 1}}, "rate of disk I/O"},
        {{.io = {.write_bytes = UINT64_MAX}}, "rate of disk I/O"},
        {{.io = {.read_ops = UINT32_MAX}}, "rate of disk I/O"},
        {{.io = {.write_ops = WY_MOST_IO_OPS + 1}}, "rate of disk I/O"},
        {{.cpu_weight = 1001}, "weight"},
        {{.cpu_weight = UINT32_MAX}, "weight"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wy_msg_worker_start start = cases[i].asked;
        start.worker_id = good->worker_id;
        start.image_id = good->image_id;
        driver_send(&d, WY_MSG_COMMAND_START, &start, sizeof start, fds, 4);
        CHECK(refused(cases[i].why));
    }
}

static void order_and_ids(void) {
    wy_msg_hello hello = {.abi = WY_MSG_VERSION};
    wy_msg_image_ref foreign = {.image_id = 12345};
    wy_msg_worker_start start = {.worker_id = 5, .image_id = 999};
    const char *const argv[] = {"/bin/true", NULL};
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int fds[4] = {command_arguments(argv), null_fd, null_fd, null_fd};
    driver_send(&d, WY_MSG_HELLO, &hello, sizeof hello, NULL, 0);
    CHECK(refused("comes first, and once"));
    driver_send(&d, WY_MSG_IMAGE_CLOSE, &foreign, sizeof foreign, NULL, 0);
    CHECK(refused("no such image"));
    driver_send(&d, WY_MSG_COMMAND_START, &start, sizeof start, fds, 4);
    CHECK(refused("unknown"));
    open_image_as("standard", "n", WY_IMAGE_COMMAND, 1, NULL, 0); /* open already */
    CHECK(refused("in use"));
    start.image_id = 1;
    start.nice_class = 4;
    driver_send(&d, WY_MSG_COMMAND_START, &start, sizeof start, fds, 4);
    CHECK(refused("nice class"));
    start.nice_class = 0;
    start.memory_bytes = UINT64_MAX;
    driver_send(&d, WY_MSG_COMMAND_START, &start, sizeof start, fds, 4);
    CHECK(refused("allows"));
    limits_of(&start, fds);
    close(fds[0]);
    close(null_fd);
    /* Pids are no ids: our own, init's, the spawner's. */
    const uint64_t foreigners[] = {1, (uint64_t)getpid(), (uint64_t)d.pid, UINT64_MAX};
    for (size_t i = 0; i < sizeof foreigners / sizeof foreigners[0]; i++) {
        driver_signal(&d, foreigners[i], SIGKILL);
        CHECK(refused("no such worker"));
    }
    const int bad_signals[] = {0, -1, SIGQUIT, SIGSEGV, 64, 65, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof bad_signals / sizeof bad_signals[0]; i++) {
        driver_signal(&d, 5, bad_signals[i]);
        CHECK(refused("not one that may be sent"));
    }
    const wy_msg_worker_class bad_classes[] = {{.worker_id = 0}, {.worker_id = 5, .nice_class = 4}, {.worker_id = 5, .reserved = 1}};
    for (size_t i = 0; i < sizeof bad_classes / sizeof bad_classes[0]; i++) {
        driver_send(&d, WY_MSG_WORKER_CLASS, &bad_classes[i], sizeof bad_classes[i], NULL, 0);
        CHECK(refused("nice class"));
    }
    check_done("out of order, foreign and used ids, limits above the profile's, signals, classes");
}

static uint32_t features; /* of the spawner's WELCOME */

static bool answers_with(uint32_t kind, int value) {
    return d.body.exited.kind == kind && d.body.exited.value == value;
}

/* AddressSanitizer's shadow is private memory of terabytes: with RLIMIT_DATA, which stands in for a memory group, hardly anything
 * can be mapped after it, and a child of a program with it may end before it is ready. Then the answer itself is what counts. */
static bool cannot_run(void) {
#if defined(__SANITIZE_ADDRESS__)
    return (features & WY_FEATURE_MEMORY_GROUP) == 0;
#else
    return false;
#endif
}

static bool still_works(uint64_t worker) {
    const char *const argv[] = {"/bin/sh", "-c", "exit 3", NULL};
    driver_command(&d, worker, 1, NULL, NULL, argv);
    while (driver_receive(&d)) {
        if (d.type == WY_MSG_WORKER_EXITED && d.body.exited.worker_id == worker) {
            return answers_with(WY_EXIT_CODE, 3) || (cannot_run() && answers_with(WY_EXIT_NOT_STARTED, 0));
        }
    }
    return false;
}

/* A valid message of each type, to be spoilt. */
static size_t sample(uint8_t *bytes, unsigned choice) {
    static const uint16_t types[] = {1, 2, 3, 4, 5, 6, WY_MSG_WORKER_CAPTURE, WY_MSG_WORKER_RESTORE, WY_MSG_WORKER_GO};
    static const uint32_t sizes[] = {8, 144, 8, 56, 56, 16, 16, 56, 8};
    size_t which = choice % (sizeof types / sizeof types[0]);
    uint16_t type = types[which];
    wy_msg_header header = {WY_MSG_MAGIC, WY_MSG_VERSION, type, sizeof header + sizes[which], 0, choice};
    memcpy(bytes, &header, sizeof header);
    memset(bytes + sizeof header, 0, sizes[which]);
    bytes[sizeof header] = (uint8_t)(choice % 3);
    if (type == WY_MSG_IMAGE_OPEN) {
        memcpy(bytes + sizeof header + 16, "nosuch", 6);
    }
    return header.length;
}

static size_t read_refusals(void) {
    struct pollfd source = {d.socket_fd, POLLIN, 0};
    size_t answers = 0;
    while (poll(&source, 1, 0) > 0 && driver_receive(&d)) {
        answers += d.type == WY_MSG_REFUSED;
    }
    return answers;
}

/* Reads while there is no room: a spawner whose answers nobody reads stops reading itself, and both would wait. */
static bool send_and_read(const uint8_t *bytes, size_t length, const int *fds, int fd_count, size_t *answers) {
    for (;;) {
        wy_status status = wy_wire_send(d.socket_fd, bytes, length, fds, fd_count);
        *answers += read_refusals();
        if (status != WY_FULL) {
            return status == WY_OK;
        }
        struct pollfd either = {d.socket_fd, POLLIN | POLLOUT, 0};
        if (poll(&either, 1, 20000) <= 0) {
            return false;
        }
    }
}

static void mutations(void) {
    unsigned seed = (unsigned)getpid() * 2654435761u;
    printf("  seed %u\n", seed);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), fds[8];
    size_t answers = 0;
    for (int i = 0; i < 8; i++) {
        fds[i] = null_fd;
    }
    for (int i = 0; i < MUTATIONS; i++) {
        uint8_t bytes[512];
        size_t length = sample(bytes, (unsigned)rand_r(&seed));
        for (int change = rand_r(&seed) % 4; change >= 0; change--) {
            bytes[(unsigned)rand_r(&seed) % length] ^= (uint8_t)(1u << (rand_r(&seed) % 8));
        }
        if (rand_r(&seed) % 4 == 0) {
            length = 1 + (unsigned)rand_r(&seed) % sizeof bytes;
        }
        /* The message that closes image 1 would be a correct one: keep clear of it. */
        bytes[24] = bytes[24] == 1 ? 2 : bytes[24];
        CHECK(send_and_read(bytes, length, fds, rand_r(&seed) % 9, &answers));
    }
    close(null_fd);
    CHECK(still_works(1000));
    printf("  %d mutated messages, %zu refusals read before the last worker\n", MUTATIONS, answers);
    check_done("mutated messages: alive, and a correct one works");
}

/* The daemon sends and does not read: the spawner stops reading, keeps a bounded queue, and loses nothing. */
static void deaf(void) {
    wy_msg_image_ref foreign = {.image_id = 12345};
    struct {
        wy_msg_header header;
        wy_msg_image_ref body;
    } message = {{WY_MSG_MAGIC, WY_MSG_VERSION, WY_MSG_IMAGE_CLOSE, sizeof message, 0, 0}, foreign};
    size_t sent = 0, read_back = 0;
    struct pollfd room = {d.socket_fd, POLLOUT, 0};
    for (; sent < 100000 && poll(&room, 1, 500) > 0; sent++) { /* half a second without room: it has stopped reading */
        if (send(d.socket_fd, &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            sent--;
        }
    }
    CHECK(sent < 100000);
    while (read_back < sent && driver_receive(&d)) {
        read_back += d.type == WY_MSG_REFUSED;
    }
    CHECK(read_back == sent);
    CHECK(still_works(1001));
    printf("  %zu messages until it stopped reading; as many refusals\n", sent);
    check_done("a daemon that does not read");
}

static void before_hello(const char *instance, bool groups) {
    driver early;
    wy_msg_image_ref ref = {.image_id = 1};
    char other[48];
    snprintf(other, sizeof other, "%s-early", instance);
    CHECK(driver_start_only(&early, other));
    driver_send(&early, WY_MSG_IMAGE_CLOSE, &ref, sizeof ref, NULL, 0);
    CHECK(driver_receive(&early) && early.type == WY_MSG_REFUSED);
    CHECK(driver_end(&early) == 0);
    CHECK(driver_start_only(&early, other));
    CHECK(driver_end(&early) == 0); /* hangs up at once */
    if (groups) { /* they carry the lock */
        CHECK(driver_start_only(&early, instance));
        CHECK(!driver_receive(&early)); /* the instance is taken */
        CHECK(driver_end(&early) == 1);
    }
    check_done("nothing before HELLO; a hang-up at once; an instance that is taken");
}

int main(int argc, char **argv) {
    char instance[40];
    int skip = driver_identity(argc, argv);
    if (skip != 0) {
        return skip;
    }
    snprintf(instance, sizeof instance, "test-hostile-%d", (int)getpid());
    if (!driver_start(&d, instance)) {
        return 1;
    }
    features = d.body.welcome.features;
    before_hello(instance, (features & WY_FEATURE_MEMORY_GROUP) != 0);
    CHECK(driver_command_image(&d, 1, "standard"));
    malformed();
    names();
    descriptors();
    order_and_ids();
    CHECK(driver_log_has(&d, "refused"));
    mutations();
    deaf();
    CHECK(driver_log_lines(&d) > 10 && driver_log_lines(&d) < 3000);
    check_done("refusals are logged, at a bounded rate");
    CHECK(driver_end(&d) == 0);
    check_done("ends in order");
    return check_failures != 0;
}
