/* A megabyte through a unix socket into the other process's memory, and a byte back that says so: what the machine takes to hand
 * over that much between two programs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reference.h"

#define BYTES ((size_t)1 << 20)

static int ends[2];
static char payload[BYTES];

static void all(ssize_t (*step)(int, void *, size_t), int fd, char *bytes, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t some = step(fd, bytes + done, length - done);
        if (some > 0) {
            done += (size_t)some;
        } else if (some == 0 || errno != EINTR) {
            perror("unix_copy");
            exit(2);
        }
    }
}

static ssize_t put(int fd, void *bytes, size_t length) {
    return write(fd, bytes, length);
}

static void ask(const reference *run, uint64_t round) {
    char word = 0;
    (void)run;
    payload[round % BYTES]++;
    all(put, ends[0], payload, BYTES);
    all(read, ends[0], &word, 1);
}

static void answer(const reference *run, uint64_t round) {
    char word = 1;
    (void)run;
    (void)round;
    all(read, ends[1], payload, BYTES);
    all(put, ends[1], &word, 1);
}

int main(int count, char **arguments) {
    reference run = {.name = "unix_copy", .iterations = 100};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        perror("socketpair");
        return 2;
    }
    return reference_main(&run, count, arguments, 64, ask, answer);
}
