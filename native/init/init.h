/* Pid 1 of a command worker: forks the command, reaps everything, forwards signals, tells how the command ended. */
#ifndef WAYANG_INIT_INIT_H
#define WAYANG_INIT_INIT_H

#include "init/arguments.h"
#include "sandbox/stage.h"

/* Descriptor of init's signalfd: the place of a call worker's doorbell, so that the seccomp listener gets the next. */
#define WY_INIT_FD_SIGNALS 3

/* Of a command with files: behind the fixed numbers of workers. */
#define WY_INIT_FD_ARTIFACTS 6
#define WY_INIT_FD_STAGE 7

/* Before the sandbox: not dumpable (the command, of the same uid, cannot reach into us), SIGCHLD blocked and read from
 * WY_INIT_FD_SIGNALS. */
wy_status wy_init_prepare(wy_error *error);

/* Inside the sandbox, after GO. Standard input, output and error stand at 0 to 2, the boot socket at WY_WORKER_FD_BOOT.
 * Ends the process, and with it the whole pid namespace. `stage`: NULL for a command without files. */
_Noreturn void wy_init_run(const wy_arguments *arguments, const wy_stage *stage);

/* Writes the inputs into the working directory, which is made below /tmp, and out/ where artifacts are wanted. Returns a
 * descriptor of the directory, or -1 with errno and in *what the name that could not be written. */
int wy_inputs_write(const wy_stage *stage, const char *cwd, const char **what);

/* Once no other process is left in the namespace: sends what stands in out/ of the working directory. */
void wy_artifacts_send(const wy_stage *stage, int cwd);

#endif
