/* A command of an image with a root of its own, run by an OCI runtime of the distribution instead of our own sandbox. */
#ifndef WAYANG_OCI_RUNTIME_H
#define WAYANG_OCI_RUNTIME_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/status.h"
#include "init/arguments.h"
#include "sandbox/profile.h"

/* Where the program of a wy_runtime lies, or NULL. */
const char *wy_runtime_program(uint32_t runtime);

/* "crun", "runsc", ...; "native" for none. */
const char *wy_runtime_name(uint32_t runtime);

/* WY_OK: tasks can be run by it here. Else the sentence in `error` says what is missing, and what to install. */
wy_status wy_runtime_check(uint32_t runtime, wy_error *error);

typedef struct wy_oci_task {
    const wy_profile *profile;
    const wy_arguments *arguments;
    const char *root, *tmp; /* paths, as the runtime finds them */
    uid_t uid;              /* of the host: there is no user namespace; it owns nothing but what is the task's */
} wy_oci_task;

/* Writes the task's config.json: the profile's limits and filter, no capability, namespaces of its own, no network. */
wy_status wy_oci_config(const wy_oci_task *task, FILE *out, wy_error *error);

typedef struct wy_oci_start {
    const wy_profile *profile;
    uid_t uid;
    uint64_t tmpfs_bytes;
    int root;  /* mount of the profile's root as the uid's own (wy_mount_lend) */
    int space; /* mount of its writable space, or -1: a tmpfs of tmpfs_bytes */
    int boot, arguments, standard[3];
} wy_oci_start;

/* In a process that the spawner has just cloned, pid 1 of a new pid namespace and in a new mount namespace: prepares the
 * bundle there, says READY on the boot socket, waits for GO and is the runtime's init from then on (init/init.h). When it ends,
 * all of the task ends with it, and nothing of the bundle is left. */
_Noreturn void wy_oci_run(const wy_oci_start *start);

#endif
