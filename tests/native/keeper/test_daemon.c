/* A small real daemon for the keeper's tests: takes its spawner, says HELLO to it, tells the test what happens over
 * a socket (argument 2: its abstract name), and does what argument 1 says. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "keeper/protocol.h"
#include "spawner/protocol.h"
#include "spawner/wire.h"

static int log_socket = -1;

/* One datagram per event to the test. */
static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...) {
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    send(log_socket, line, (size_t)length, MSG_NOSIGNAL);
}

static void connect_log(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(address.sun_path + 1, name, length); /* abstract: reachable as any user */
    log_socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (connect(log_socket, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)) != 0) {
        _exit(90);
    }
}

static void say(uint32_t type, int value) {
    wy_control message = {.type = type, .value = value};
    wy_wire_send(WY_CONTROL_FD, &message, sizeof message, NULL, 0);
}

/* HELLO and WELCOME with a spawner: it is real and answers. */
static void greet(int spawner) {
    struct {
        wy_msg_header header;
        wy_msg_hello body;
    } hello = {{WY_MSG_MAGIC, WY_MSG_VERSION, WY_MSG_HELLO, sizeof hello, 0, 1}, {WY_MSG_VERSION, 0}};
    uint8_t answer[WY_MSG_MAX_BYTES];
    wy_datagram datagram;
    wy_wire_send(spawner, &hello, sizeof hello, NULL, 0);
    struct pollfd source = {spawner, POLLIN, 0};
    poll(&source, 1, 20000);
    if (wy_wire_receive(spawner, answer, sizeof answer, &datagram) == WY_OK) {
        tell("spawner %u", ((wy_msg_header *)answer)->type);
    }
}

static void tell_identity(void) {
    char line[256], facts[512] = "";
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "CapEff:", 7) == 0 || strncmp(line, "CapBnd:", 7) == 0 || strncmp(line, "NoNewPrivs:", 11) == 0) {
            line[strcspn(line, "\n")] = 0;
            snprintf(facts + strlen(facts), sizeof facts - strlen(facts), " %.80s", line);
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    tell("pid %d uid %u groups %d ppid %d native %s%s", (int)getpid(), geteuid(), getgroups(0, NULL), (int)getppid(),
         access(getenv("WAYANG_NATIVE"), R_OK) == 0 ? "readable" : "unreadable", facts);
}

/* What a configuration says, which is text here; read to its end, as a daemon does. */
static void tell_configuration(const char *how, int fd) {
    char text[64] = "";
    ssize_t length = read(fd, text, sizeof text - 1);
    text[length > 0 ? length : 0] = 0;
    tell("%s configuration %s", how, text);
    close(fd);
}

static void tell_first_configuration(void) {
    const char *number = getenv("WAYANG_CONFIGURATION_FD");
    if (number != NULL) {
        tell_configuration("first", (int)strtol(number, NULL, 10));
    }
}

int main(int argc, char **argv) {
    int spawner = -1;
    if (argc < 3) {
        return 91;
    }
    connect_log(argv[2]);
    tell_identity();
    tell_first_configuration();
    if (strcmp(argv[1], "fail") == 0) {
        return 9;
    }
    for (;;) {
        wy_control message;
        wy_datagram datagram;
        struct pollfd sources[] = {{WY_CONTROL_FD, POLLIN, 0}, {spawner, 0, 0}};
        poll(sources, 2, -1);
        if (sources[1].revents != 0) {
            tell("spawner gone");
            close(spawner);
            spawner = -1;
        }
        wy_status status = wy_wire_receive(WY_CONTROL_FD, &message, sizeof message, &datagram);
        if (status == WY_EMPTY) {
            continue;
        }
        if (status != WY_OK) {
            tell("keeper gone");
            return 0;
        }
        if (message.type == WY_CONTROL_SPAWNER_ATTACHED && datagram.fd_count == 1) {
            spawner = datagram.fds[0];
            greet(spawner);
            say(WY_CONTROL_FIRST, (int)getppid()); /* none of ours */
            say(WY_CONTROL_BEFORE_TASKS, (int)getppid());
            (void)setpriority(PRIO_PROCESS, 0, 3);
            say(WY_CONTROL_BEFORE_TASKS, (int)getpid());
            say(WY_CONTROL_FIRST, (int)getpid());
            say(WY_CONTROL_READY, 0);
            if (strcmp(argv[1], "exit") == 0) {
                say(WY_CONTROL_EXIT, 5);
            }
        } else if (message.type == WY_CONTROL_CONFIGURATION && datagram.fd_count == 1) {
            tell_configuration("new", datagram.fds[0]);
        } else if (message.type == WY_CONTROL_SHUTDOWN) {
            tell("shutdown");
            if (strcmp(argv[1], "stubborn") != 0) {
                return 0;
            }
        }
    }
}
