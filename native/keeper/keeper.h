/* The keeper starts spawner and daemon, watches them, starts them again, and ends both. It takes no input but signals,
 * eight-byte messages and the descriptor of a configuration, which it does not read.
 *
 * Started as root it stays root (its children are the spawner, which needs that, and the daemon, which never has it): the
 * installation is bound read-only below the runtime directory in a private mount namespace, and the daemon gets a user of
 * its own without groups, capabilities or the way to new privileges. */
#ifndef WAYANG_KEEPER_KEEPER_H
#define WAYANG_KEEPER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

#define WY_DAEMON_SLICE_NS 100000u /* of its threads that answer somebody; others of it get a longer one (ThreadRanks) */
#define WY_DAEMON_UID 1900000000u /* outside of the policy's range for images, which is checked */
#define WY_SHUTDOWN_MS 5000       /* the daemon's time to end in order; then the spawner's */
#define WY_DYING_MS 1000          /* from a process's closed files to its death */
#define WY_KEEPER_MAX_ROOTS 16 /* as many as the spawner takes (sandbox/profile.h) */

typedef struct wy_keeper_options {
    char instance[64];
    char runtime_dir[256];
    char policy_dir[512];
    char native_dir[512];
    int owner_fd; /* -1, or a descriptor whose end of file ends everything */
    int configuration_number; /* -1, or a descriptor of the process that started us: the configuration */
    const char *space_dir; /* NULL, or where the spawner makes tasks' space on the disk */
    uint32_t root_count; /* "NAME=DIR" each: for the spawner */
    const char *roots[WY_KEEPER_MAX_ROOTS];
    int daemon_argc;
    char **daemon_argv;
} wy_keeper_options;

/* The runtime directory, held by a lock for as long as the keeper lives. */
typedef struct wy_runtime_dir {
    int dir_fd, lock_fd;
    bool made; /* by us: removed at the end */
} wy_runtime_dir;

/* Makes and checks the directory (unprivileged: 0700 and ours; root: 02750, the daemon's user and group wayang), takes the
 * lock, removes a dead predecessor's socket. WY_DENIED: another keeper is alive; its pid stands in the message. */
wy_status wy_runtime_dir_open(const char *path, bool root, wy_runtime_dir *out, wy_error *error);
void wy_runtime_dir_close(const char *path, wy_runtime_dir *dir);

/* What the daemon is started with; as root, paths into the bound installation. */
typedef struct wy_installation {
    char native_dir[512];
    char **daemon_argv;
    char dotnet_root[512]; /* "" = leave the environment alone */
    char replaced[2][512];
} wy_installation;

/* Root only: private mount namespace, read-only binds below the runtime directory. */
wy_status wy_installation_bind(const wy_keeper_options *options, int runtime_fd, wy_installation *out, wy_error *error);

/* Root only: tries, as the daemon's user, to execute the program and to read what lies beside it. */
wy_status wy_installation_check(const wy_installation *installation, wy_error *error);

/* Refuses a native or policy directory that others than its owner (root or ourselves) may write. */
wy_status wy_check_owned(const char *path, wy_error *error);

typedef struct wy_child_start {
    const wy_keeper_options *options;
    const wy_installation *installation;
    int spawner_binary_fd;
    int configuration_fd; /* -1, or what each daemon gets as its descriptor WY_CONFIGURATION_FD */
    bool root;
} wy_child_start;

/* Both return the pid, or -1 with errno; the socket end becomes descriptor 3 of the child, the configuration
 * descriptor 4 of the daemon; they have no others. */
pid_t wy_start_spawner(const wy_child_start *start, int socket_fd);
pid_t wy_start_daemon(const wy_child_start *start, int control_fd);

/* In a child: no groups, user and group WY_DAEMON_UID, no capability, no way back. */
int wy_become_daemon_user(void);

/* Runs until the end; returns the exit code. */
int wy_keeper_run(const wy_keeper_options *options);

#endif
