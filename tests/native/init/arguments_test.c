/* The arguments file of a command: what is taken, and what a hostile sender gets. Runs under the sanitizers too. */
#include "init/arguments.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "spawner/protocol.h"

#define WHOLE (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define CHECK(condition, what)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, what);                                  \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

static wy_status read_bytes(const void *data, size_t bytes, int seals, wy_arguments *out) {
    wy_error error;
    int fd = memfd_create("arguments", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes || fcntl(fd, F_ADD_SEALS, seals) != 0) {
        return WY_SYSTEM;
    }
    wy_status status = wy_arguments_read(fd, out, &error);
    (void)close(fd);
    return status;
}

static size_t make(char *out, uint32_t argc, uint32_t envc, const char *strings, size_t bytes) {
    const uint32_t header[4] = {WY_ARGUMENTS_MAGIC, argc, envc, 0};
    memcpy(out, header, sizeof header);
    memcpy(out + sizeof header, strings, bytes);
    return sizeof header + bytes;
}

#define MAKE(argc, envc, strings) make(data, argc, envc, strings, sizeof(strings) - 1)

int main(void) {
    char data[4096];
    wy_arguments arguments;
    size_t bytes = MAKE(2, 2, "/usr\0ls\0-l\0A=1\0PATH=/x\0");
    CHECK(read_bytes(data, bytes, WHOLE, &arguments) == WY_OK, "a sound file");
    CHECK(strcmp(arguments.cwd, "/usr") == 0 && strcmp(arguments.argv[1], "-l") == 0 && arguments.argv[2] == NULL,
          "argv");
    CHECK(strcmp(arguments.environment[0], "PATH=/x") == 0 && strcmp(arguments.environment[3], "A=1") == 0 &&
              arguments.environment[4] == NULL,
          "the message's PATH replaces the default");
    CHECK(read_bytes(data, bytes, F_SEAL_SHRINK, &arguments) == WY_CORRUPT, "unsealed");
    printf("taken: argv, cwd, environment over the default; unsealed is refused\n");

    const struct {
        uint32_t argc, envc;
        const char *strings;
        size_t bytes;
    } bad[] = {
#define BAD(argc, envc, strings) {argc, envc, strings, sizeof(strings) - 1}
        BAD(0, 0, "\0ls\0"),
        BAD(2, 0, "\0ls\0"),
        BAD(1, 0, "\0ls"),
        BAD(1, 0, "rel\0ls\0"),
        BAD(1, 0, "\0\0"),
        BAD(1, 1, "\0ls\0"),
        BAD(1, 1, "\0ls\0NOEQ\0"),
        BAD(1, 1, "\0ls\0=x\0"),
        BAD(1, 0, "\0ls\0more\0"),
        BAD(UINT32_MAX, 0, "\0ls\0"),
        BAD(1, UINT32_MAX, "\0ls\0"),
        BAD(1, 0, ""),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bytes = make(data, bad[i].argc, bad[i].envc, bad[i].strings, bad[i].bytes);
        char which[16];
        (void)snprintf(which, sizeof which, "case %zu", i);
        CHECK(read_bytes(data, bytes, WHOLE, &arguments) == WY_CORRUPT, which);
    }
    CHECK(read_bytes("WYAR", 4, WHOLE, &arguments) == WY_CORRUPT, "shorter than the header");
    printf("refused: %zu malformed files\n", sizeof bad / sizeof bad[0] + 1);

    bytes = MAKE(2, 2, "/usr\0ls\0-l\0A=1\0B=2\0");
    srand(1);
    for (int round = 0; round < 20000; round++) {
        char mutated[128];
        memcpy(mutated, data, bytes);
        for (int i = 0; i < 3; i++) {
            mutated[(size_t)rand() % bytes] = (char)rand();
        }
        (void)read_bytes(mutated, (size_t)rand() % bytes + 1, WHOLE, &arguments);
    }
    printf("mutated: 20000 files, seed 1\n");
    return 0;
}
