/* deny NAME=ERRNO|kill ... -- PROGRAM ARGUMENT...: runs the program without these system calls. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/profile.h"

#define MAX_RULES 32

static int number_of(const char *name, size_t length) {
    for (int i = 0; i < 1024; i++) {
        const char *known = wy_syscall_name(i);
        if (known != NULL && strlen(known) == length && strncmp(known, name, length) == 0) {
            return i;
        }
    }
    return -1;
}

int main(int argc, char **argv) {
    struct sock_filter code[2 + 2 * MAX_RULES];
    unsigned short length = 0;
    int at = 1;
    code[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (; at < argc && strcmp(argv[at], "--") != 0 && length < 2 * MAX_RULES; at++) {
        const char *equals = strchr(argv[at], '=');
        int number = equals == NULL ? -1 : number_of(argv[at], (size_t)(equals - argv[at]));
        if (number < 0) {
            fprintf(stderr, "deny: no such system call: %s\n", argv[at]);
            return 2;
        }
        unsigned verdict = strcmp(equals + 1, "kill") == 0 ? SECCOMP_RET_KILL_PROCESS
                                                           : SECCOMP_RET_ERRNO | (unsigned)atoi(equals + 1);
        code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1);
        code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict);
    }
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {length, code};
    if (at + 1 >= argc || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
        fprintf(stderr, "deny: no program, or no filter: %s\n", strerror(errno));
        return 2;
    }
    execvp(argv[at + 1], argv + at + 1);
    fprintf(stderr, "deny: %s: %s\n", argv[at + 1], strerror(errno));
    return 2;
}
