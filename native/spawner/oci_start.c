/* A worker of an image whose commands an OCI runtime runs: our own child from its clone on; no zygote takes part. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oci/runtime.h"
#include "spawner/state.h"
#include "zygote/launch.h"
#include "zygote/lend.h"

enum { PASS_BOOT = 0, PASS_ARGUMENTS = 1, PASS_STDIN = 2, PASS_STDOUT = 3, PASS_STDERR = 4 };

static void give_up(wy_spawner *s, wy_worker_slot *worker, int cause, const char *what) {
    char text[sizeof worker->failure.text];
    snprintf(text, sizeof text, "oci: %s: %s", what, strerror(cause));
    wy_worker_fail(worker, cause, text);
    wy_worker_finish(s, worker, 0, 0, 0);
}

void wy_oci_fork(wy_spawner *s, wy_image_slot *image, wy_worker_slot *worker) {
    uid_t uid = (uid_t)(s->policy.uid_first + wy_image_index(s, image));
    int pidfd = -1, root = wy_mount_lend(image->profile->root, uid);
    if (root < 0) {
        give_up(s, worker, errno, "its root cannot be shown as its own");
        return;
    }
    wy_oci_start start = {.profile = image->profile,
                          .uid = uid,
                          .tmpfs_bytes = worker->start.tmpfs_bytes,
                          .root = root,
                          .space = worker->space.bytes != 0 ? worker->space.mount_fd : -1,
                          .boot = worker->pass_fds[PASS_BOOT],
                          .arguments = worker->pass_fds[PASS_ARGUMENTS],
                          .standard = {worker->pass_fds[PASS_STDIN], worker->pass_fds[PASS_STDOUT], worker->pass_fds[PASS_STDERR]}};
    pid_t pid = wy_clone(CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWNS, SIGCHLD, &pidfd);
    if (pid == 0) {
        wy_oci_run(&start);
    }
    int cause = errno;
    close(root);
    if (pid < 0) {
        give_up(s, worker, cause, "clone3");
        return;
    }
    wy_worker_close_passed(worker);
    worker->state = WY_WORKER_FORKING;
    s->forking++;
    wy_worker_forked(s, worker, pidfd);
}
