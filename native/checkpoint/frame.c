#include "checkpoint/frame.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "checkpoint/manifest.h"

#define FLAGS (0x1u | 0x2u | 0x4u) /* UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS */
#define SOFTWARE_AT 464u           /* in the FXSAVE area: what software says of the rest */
#define MAGIC_1 0x46505853u
#define MAGIC_2 0x46505845u

/* As the kernel reads it at rt_sigreturn: from the word below the stack pointer on. */
typedef struct context {
    uint64_t return_address;
    uint64_t flags, link;
    stack_t stack;
    uint64_t registers[23]; /* REG_R8 ... REG_CR2 */
    uint64_t extended;      /* address of the XSAVE area */
    uint64_t reserved[8];
    uint64_t signal_mask;
} context;

_Static_assert(offsetof(context, registers) == 8 + 40 && sizeof(context) == 8 + 40 + 256 + 8, "as the kernel has it");

typedef struct software {
    uint32_t magic, extended_bytes;
    uint64_t features;
    uint32_t bytes, padding[7];
} software;

static void fill(context *out, const wy_registers *now, uint64_t extended) {
    const struct user_regs_struct *g = &now->general;
    memset(out, 0, sizeof *out);
    out->flags = FLAGS;
    out->stack.ss_flags = SS_DISABLE;
    out->extended = extended;
    out->signal_mask = now->signal_mask;
    const uint64_t registers[] = {g->r8,  g->r9,  g->r10, g->r11, g->r12, g->r13, g->r14, g->r15,   g->rdi,
                                  g->rsi, g->rbp, g->rbx, g->rdx, g->rax, g->rcx, g->rsp, g->rip,   g->eflags};
    memcpy(out->registers, registers, sizeof registers);
    out->registers[REG_CSGSFS] = (g->cs & 0xffff) | (g->ss & 0xffff) << 48;
}

wy_status wy_frame_lay(const wy_tracee *tracee, uint64_t *stack, wy_error *error) {
    const wy_registers *now = &tracee->registers;
    uint8_t code[WY_RETURNING_CALL_BYTES], *extended = NULL;
    uint64_t place = WY_SEAL_STACK + WY_PAGE; /* upwards: the XSAVE area, then the frame, within three pages or five */
    wy_status status = wy_memory_read(&tracee->memory, tracee->syscall_at, code, sizeof code, error);
    if (status != WY_OK) {
        return status;
    }
    if (memcmp(code, WY_RETURNING_CALL, sizeof code) != 0) {
        return WY_UNSUPPORTED;
    }
    size_t room = (now->xsave_bytes + sizeof(uint32_t) + 63u) & ~(size_t)63u;
    extended = calloc(1, room);
    if (extended == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "frame", "no memory");
    }
    const uint32_t end = MAGIC_2;
    software said = {.magic = MAGIC_1, .extended_bytes = now->xsave_bytes + (uint32_t)sizeof end, .bytes = now->xsave_bytes};
    memcpy(extended, now->xsave, now->xsave_bytes);
    memcpy(&said.features, extended + SOFTWARE_AT, sizeof said.features); /* ptrace tells the mask there */
    memcpy(extended + SOFTWARE_AT, &said, sizeof said);
    memcpy(extended + now->xsave_bytes, &end, sizeof end);
    context frame;
    fill(&frame, now, place);
    *stack = place + room + 8; /* behind the return address, as a handler that has returned leaves it */
    status = wy_memory_write(&tracee->memory, place, extended, room, error);
    status = status == WY_OK ? wy_memory_write(&tracee->memory, place + room, &frame, sizeof frame, error) : status;
    free(extended);
    return status == WY_SYSTEM ? WY_UNSUPPORTED : status; /* no such stack: a program that has only begun, or one that gave it back */
}
