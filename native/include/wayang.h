/* The C ABI of libwayang.so: the system calls and the shared memory that managed code needs. Linux only.
 *
 * Conventions
 *  1. Functions that can fail return a wayang status (the values of wy_status; 0 is success) and fill the caller-owned
 *     `error` (may be NULL). Nothing here exits, prints, throws or keeps a pointer after it returned.
 *  2. Every descriptor that a function hands out is owned by the caller, who closes it with wayang_close exactly once;
 *     all are close-on-exec.
 *  3. A channel's mappings are owned by the caller from wayang_channel_create until wayang_channel_unmap; its three
 *     descriptors are closed apart from them (rule 2), because they travel to the worker and are closed early.
 *  4. Buffers are the caller's; they are read or written only during the call.
 *  5. All functions may be called from any thread; two threads must not close and use one descriptor at once.
 *  6. EINTR is retried where that is harmless; wayang_epoll_wait and wayang_futex_wait return early instead.
 *
 * One declaration per line and nothing clever: src/Wayang.Fast.Interop/NativeMethods.cs mirrors this file in its order
 * and a test compares the two. */
#ifndef WAYANG_H
#define WAYANG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WAYANG_API __attribute__((visibility("default")))
#define WAYANG_ABI 1u

/* Same values and shape as wy_status and wy_error of base/status.h (asserted in interop/abi.c). */
typedef struct wayang_error {
    int32_t status;
    int32_t sys_errno;
    char where[32];
    char message[216];
} wayang_error;

/* Geometry of a channel; bounds in channel/layout.h. */
typedef struct wayang_geometry {
    uint32_t request_slots;
    uint32_t request_arena_bytes;
    uint32_t completion_slots;
    uint32_t completion_arena_bytes;
    uint32_t worker_spin; /* pauses before the worker sleeps; UINT32_MAX = it never sleeps */
    uint32_t reserved;
    uint64_t max_payload;
    uint64_t epoch;
} wayang_geometry;

typedef struct wayang_channel {
    void *d; /* mapped read-write */
    void *w; /* mapped read-only */
    uint64_t d_bytes;
    uint64_t w_bytes;
    int32_t d_fd;
    int32_t w_fd;
    int32_t doorbell_fd;
    int32_t reserved;
} wayang_channel;

#define WAYANG_POLL_READABLE 0x1u
#define WAYANG_POLL_WRITABLE 0x2u
#define WAYANG_POLL_HANGUP 0x4u
#define WAYANG_POLL_EDGE 0x8u /* wayang_epoll_add only */

typedef struct wayang_poll_event {
    uint64_t token;
    uint32_t events; /* WAYANG_POLL_* */
    uint32_t reserved;
} wayang_poll_event;

#define WAYANG_PIPE_NONBLOCK_READ 0x1u
#define WAYANG_PIPE_NONBLOCK_WRITE 0x2u
#define WAYANG_PIPE_LARGE 0x4u /* holds a megabyte, where the host lets it */

#define WAYANG_MAX_PACKET_FDS 16

/* Version of this ABI: WAYANG_ABI of the library. */
WAYANG_API uint32_t wayang_abi(void);

/* Sizes and offsets of the shared layout as "name=value\n" lines; returns the bytes written, NUL not counted. */
WAYANG_API int32_t wayang_layout(char *buffer, int32_t capacity);

/* Creates both memory files, maps and seals them, and the non-blocking doorbell. Nothing is left behind on failure. */
WAYANG_API int32_t wayang_channel_create(const wayang_geometry *geometry, wayang_channel *channel, wayang_error *error);

/* Unmaps both files and clears the pointers; leaves the descriptors alone. */
WAYANG_API void wayang_channel_unmap(wayang_channel *channel);

/* Wakes up to `count` sleepers on a word in shared memory; returns how many, or -errno. */
WAYANG_API int32_t wayang_futex_wake(const uint32_t *word, int32_t count);

/* Sleeps while *word == expected. 0 woken or the word differed, WY_TIMEOUT, else a failure. */
WAYANG_API int32_t wayang_futex_wait(const uint32_t *word, uint32_t expected, int32_t timeout_ms);

/* A non-blocking event counter. */
WAYANG_API int32_t wayang_eventfd(int32_t *fd, wayang_error *error);

WAYANG_API int32_t wayang_epoll_create(int32_t *fd, wayang_error *error);

/* `events`: READABLE and WRITABLE as wanted, EDGE. Hang-ups are always told. */
WAYANG_API int32_t wayang_epoll_add(int32_t epoll, int32_t fd, uint64_t token, uint32_t events, wayang_error *error);

WAYANG_API int32_t wayang_epoll_remove(int32_t epoll, int32_t fd, wayang_error *error);

/* At most 256 events a call. `count` is 0 after the time allowed or a signal. timeout_us -1 waits without end. */
WAYANG_API int32_t wayang_epoll_wait(int32_t epoll, wayang_poll_event *events, int32_t capacity, int64_t timeout_us, int32_t *count, wayang_error *error);

/* Two connected SOCK_SEQPACKET sockets, close-on-exec, blocking (every call below passes MSG_DONTWAIT). */
WAYANG_API int32_t wayang_packet_pair(int32_t *fds, wayang_error *error);

/* One packet with up to WAYANG_MAX_PACKET_FDS descriptors, whose ownership stays here. WY_FULL would block, WY_CLOSED. */
WAYANG_API int32_t wayang_packet_send(int32_t socket, const void *message, int32_t length, const int32_t *fds, int32_t fd_count, wayang_error *error);

/* WY_EMPTY would block, WY_CLOSED, WY_TOO_BIG: packet or descriptors did not fit (what came is closed, packet lost). */
WAYANG_API int32_t wayang_packet_receive(int32_t socket, void *buffer, int32_t capacity, int32_t *fds, int32_t fd_capacity, int32_t *length, int32_t *fd_count, wayang_error *error);

/* fds[0] reads, fds[1] writes; `flags` WAYANG_PIPE_*. */
WAYANG_API int32_t wayang_pipe(uint32_t flags, int32_t *fds, wayang_error *error);

/* A memory file with these bytes, sealed WRITE | SHRINK | GROW | SEAL, its offset at 0. */
WAYANG_API int32_t wayang_sealed_memory(const char *name, const void *bytes, int64_t length, int32_t *fd, wayang_error *error);

/* The next bytes of a file, from `from` on, that are no hole: 1 and where they begin and end, 0 where there are none, or -errno. In a memory file a
 * page that was never touched is a hole, one that is swapped out is none. The file's offset is left anywhere. */
WAYANG_API int64_t wayang_next_data(int32_t fd, int64_t from, int64_t *begin, int64_t *end);

/* Writes a directory to its disk: what was made, renamed or removed in it stays so over a loss of power. Blocks. */
WAYANG_API int32_t wayang_sync_directory(const char *path, wayang_error *error);

/* Asks for large pages in a range of private memory, where the host has any. A wish: nothing is told when it is not granted. */
WAYANG_API void wayang_prefer_large_pages(void *address, int64_t length);

/* Has the pages of a writable range made, without changing a byte, also beside somebody who writes there. Waits for the kernel. */
WAYANG_API void wayang_touch_pages(void *address, int64_t length);

/* For how long an ordinary thread (one of real time is left as it is) may go on before who wakes with a shorter slice takes its processor; the kernel
 * takes 0.1 ms to 100 ms. A wish: nothing is told when it is not granted. */
WAYANG_API void wayang_slice_thread(int32_t thread, int64_t nanoseconds);

/* 1: an ordinary thread of the calling process has a higher niceness than its first one. */
WAYANG_API int32_t wayang_thread_weighs_less(int32_t thread);

/* The calling thread works for nobody who waits: below an ordinary one from now on (niceness 5, a slice of 3 ms), for good where it may not raise itself again. */
WAYANG_API void wayang_give_way(void);

/* Bytes moved, 0 at end of file, or -errno (-EAGAIN: would block). */
WAYANG_API int64_t wayang_read(int32_t fd, void *buffer, int64_t length);

/* Bytes moved, or -errno (-EAGAIN would block, -EPIPE nobody reads). SIGPIPE is the process's: the CLR ignores it. */
WAYANG_API int64_t wayang_write(int32_t fd, const void *buffer, int64_t length);

WAYANG_API void wayang_close(int32_t fd);

/* A second descriptor, close-on-exec, of the same open file: to keep it until it can be sent. */
WAYANG_API int32_t wayang_duplicate(int32_t fd, int32_t *copy, wayang_error *error);

/* Lets the programs that this process starts inherit the descriptor (it is close-on-exec otherwise), or not. */
WAYANG_API int32_t wayang_set_inheritable(int32_t fd, int32_t on, wayang_error *error);

/* Binds the calling thread to one processor. */
WAYANG_API int32_t wayang_pin_thread(int32_t cpu, wayang_error *error);

WAYANG_API int32_t wayang_current_cpu(void);

/* Name of the calling thread as /proc shows it: 15 bytes. */
WAYANG_API int32_t wayang_name_thread(const char *name, wayang_error *error);

#ifdef __cplusplus
}
#endif

#endif
