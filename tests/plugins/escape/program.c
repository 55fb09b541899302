/* escape NAME: one attempt; its line on standard output. escape: the names. Exit codes: 0 told, 2 no such attempt. */
#include <stdio.h>
#include <unistd.h>

#include "escape.h"

int main(int argc, char **argv) {
    static char text[16384];
    size_t length = argc > 1 ? escape_run(argv[1], text, sizeof text) : escape_names(text, sizeof text);
    /* Not stdio: a forked child that returns here by mistake would write a buffer twice. */
    return length > 0 && write(STDOUT_FILENO, text, length) == (ssize_t)length ? 0 : 2;
}
