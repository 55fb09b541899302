/* wayang-spawner: arguments and exit codes; everything else is in the library.
 * Exit codes: 0 ended in order, 1 cannot start or go on, 2 wrong arguments. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spawner/spawner.h"

static const char usage[] =
    "usage: wayang-spawner --socket-fd N --policy DIR --native DIR [--instance NAME]\n"
    "Starts sandboxed workers for the daemon at the other end of socket N. Started by wayang-keeper.\n"
    "  --socket-fd N    inherited SOCK_SEQPACKET socket\n"
    "  --policy DIR     policy.conf, *.profile, *.syscalls; writable by root (or the starting user) only\n"
    "  --native DIR     where wayang-zygote lies\n"
    "  --root NAME=DIR  a directory that profiles may be given as their root, by this name; may stand more than once\n"
    "  --space DIR      where writable space of tasks is made on the disk; root only\n"
    "  --instance NAME  names the resource groups of this runtime (default: default)\n";

static int parse(int argc, char **argv, wy_spawner_options *options) {
    static const struct option names[] = {{"socket-fd", required_argument, NULL, 's'},
                                          {"policy", required_argument, NULL, 'p'},
                                          {"native", required_argument, NULL, 'n'},
                                          {"instance", required_argument, NULL, 'i'},
                                          {"root", required_argument, NULL, 'r'},
                                          {"space", required_argument, NULL, 'd'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        char *end = NULL;
        switch (option) {
        case 's':
            options->socket_fd = (int)strtol(optarg, &end, 10);
            if (*optarg == 0 || *end != 0 || options->socket_fd < 0) {
                return 2;
            }
            break;
        case 'p':
            options->policy_dir = optarg;
            break;
        case 'n':
            options->native_dir = optarg;
            break;
        case 'i':
            options->instance = optarg;
            break;
        case 'd':
            options->space_dir = optarg;
            break;
        case 'r':
            if (options->root_count == WY_POLICY_MAX_ROOTS) {
                return 2;
            }
            options->roots[options->root_count++] = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            return 2;
        }
    }
    return optind != argc || options->socket_fd < 0 || options->policy_dir == NULL || options->native_dir == NULL ? 2 : 0;
}

static int complain(const wy_error *error) {
    fprintf(stderr, "wayang-spawner: %s: %s%s%s\n", error->where, error->message, error->sys_errno != 0 ? ": " : "",
            error->sys_errno != 0 ? strerror(error->sys_errno) : "");
    return 1;
}

int main(int argc, char **argv) {
    wy_spawner_options options = {.socket_fd = -1, .log_fd = STDERR_FILENO, .instance = "default"};
    wy_spawner *spawner = NULL;
    wy_error error = {0};
    if (parse(argc, argv, &options) != 0) {
        fputs(usage, stderr);
        return 2;
    }
    /* Whose death ends it is said by who starts it: the keeper sets a parent death signal, which stays over the exec; a program that embeds the
     * runtime has threads, and the signal would come with the end of the one that started the spawner. The end of the socket ends it anyway. */
    signal(SIGPIPE, SIG_IGN);
    if (wy_spawner_open(&options, &spawner, &error) != WY_OK) {
        return complain(&error);
    }
    wy_status status = wy_spawner_run(spawner, &error);
    wy_spawner_close(spawner);
    return status == WY_OK ? 0 : complain(&error);
}
