/* Pid 1 of a command worker: forks the command, reaps everything, forwards signals, tells how the command ended. */
#ifndef WAYANG_INIT_INIT_H
#define WAYANG_INIT_INIT_H

#include "init/arguments.h"

/* Descriptor of init's signalfd: the place of a call worker's doorbell, so that the seccomp listener gets the next. */
#define WY_INIT_FD_SIGNALS 3

/* Before the sandbox: not dumpable (the command, of the same uid, cannot reach into us), SIGCHLD blocked and read from
 * WY_INIT_FD_SIGNALS. */
wy_status wy_init_prepare(wy_error *error);

/* Inside the sandbox, after GO. Standard input, output and error stand at 0 to 2, the boot socket at WY_WORKER_FD_BOOT.
 * Ends the process, and with it the whole pid namespace. */
_Noreturn void wy_init_run(const wy_arguments *arguments);

#endif
