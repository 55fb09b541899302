#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "spawner/state.h"

#define LINES_PER_SECOND 20u

static void put(int fd, char *line, int length, int capacity) {
    if (length >= capacity) {
        length = capacity - 1;
    }
    /* What the daemon chose stands in the line: no byte of it may act on a terminal or forge a second line. */
    for (int i = 0; i < length; i++) {
        if ((unsigned char)line[i] < 0x20 || (unsigned char)line[i] >= 0x7f) {
            line[i] = '?';
        }
    }
    line[length] = '\n';
    ssize_t ignored = write(fd, line, (size_t)length + 1);
    (void)ignored; /* a log that cannot be written must not stop the work */
}

/* Says how many lines were left out, if any. */
void wy_log_flush(wy_spawner *s) {
    char line[128];
    if (s->log.suppressed > 0) {
        int length =
            snprintf(line, sizeof line - 1, "wayang-spawner: %u more lines like these were left out", s->log.suppressed);
        put(s->log_fd, line, length, (int)sizeof line - 1);
        s->log.suppressed = 0;
    }
}

void wy_log_line(wy_spawner *s, const char *format, ...) {
    int64_t now = wy_now_ms();
    char line[768];
    if (now - s->log.window_ms >= 1000) {
        wy_log_flush(s);
        s->log.window_ms = now;
        s->log.lines = 0;
    }
    if (s->log.lines >= LINES_PER_SECOND) {
        s->log.suppressed++;
        return;
    }
    s->log.lines++;
    int prefix = snprintf(line, sizeof line, "wayang-spawner: ");
    va_list arguments;
    va_start(arguments, format);
    int length = prefix + vsnprintf(line + prefix, sizeof line - (size_t)prefix - 1, format, arguments);
    va_end(arguments);
    put(s->log_fd, line, length, (int)sizeof line - 1);
}
