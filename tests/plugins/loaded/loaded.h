/* What a plugin can do to the process that loads it, before anybody has called it. */
#ifndef WAYANG_TESTS_LOADED_H
#define WAYANG_TESTS_LOADED_H

#define LOADED_WENT 1

/* Negative with errno: refused; 0: it went through and reached only what is the image's own; LOADED_WENT: it went through. */
typedef long loaded_deed(void);

loaded_deed fork_child, fork_detached, read_shadow, open_socket, listen_nowhere, exit_quietly, raise_kill, loop_for_ever, second_thread, remount_usr,
    bind_root, trace_holder, read_spawner, claim_ready, speak_nonsense, fill_tmp;

#endif
