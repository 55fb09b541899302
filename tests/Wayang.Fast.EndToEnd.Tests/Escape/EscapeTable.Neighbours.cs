namespace Wayang.Fast.EndToEnd.Tests.Escape;

/// <content>The network, other tasks, and resources.</content>
internal static partial class EscapeTable
{
    private static EscapeCase[] NetworkCases =>
    [
        new("raw_ip", "EAFNOSUPPORT"),
        new("raw_ip6", "EAFNOSUPPORT"),
        new("packet_socket", "EAFNOSUPPORT"),
        new("netlink_route", "EAFNOSUPPORT"),
        new("netlink_audit", "EAFNOSUPPORT"),
        new("vsock", "EAFNOSUPPORT"),
        new("af_alg", "EAFNOSUPPORT"),
        new("bluetooth", "EAFNOSUPPORT"),
        new("af_key", "EAFNOSUPPORT"),
        new("af_xdp", "EAFNOSUPPORT"),
        new("pppox", "EAFNOSUPPORT"),
        new("metadata_address", "EAFNOSUPPORT"),
        new("connect_outside", "EAFNOSUPPORT"),
        new("connect_loopback", "EAFNOSUPPORT"),
        new("datagram_outside", "EAFNOSUPPORT"),
        new("abstract_socket", "EAFNOSUPPORT"),
        new("socket_pair", "EAFNOSUPPORT"),
    ];

    private static EscapeCase[] TasksCases =>
    [
        new("kill_all", "EPERM", "ESRCH"),
        new("kill_init", "ESRCH", "ESRCH", "contained"),
        new("kill_by_number", "EPERM", "ESRCH"),
        new("neighbours", "EPERM", "ESRCH"),
        new("reused_pid", "EPERM", "ESRCH"),
        new("leave_tmp", "EPERM", "contained"),
        new("find_tmp", "EPERM", "ENOENT"),
        new("leave_shm", "EPERM", "contained"),
        new("find_shm", "EPERM", "ENOENT"),
        new("leave_segment", "EPERM"),
        new("find_segment", "EPERM"),
        new("semaphore", "EPERM"),
        new("message_queue", "EPERM"),
        new("posix_queue", "EPERM"),
        new("double_fork", "EPERM", "contained"),
    ];

    private static EscapeCase[] GreedCases =>
    [
        new("memory_bomb", "out_of_memory"),
        new("tmpfs_bomb", "EPERM", "ENOSPC"),
        new("memfd_bomb", "EPERM", "out_of_memory"),
        new("inode_bomb", "EPERM", "ENOSPC"),
        new("descriptor_bomb", "EPERM", "EMFILE"),
        new("eventfd_bomb", "EPERM", "EMFILE"),
        new("pipe_bomb", "EPERM", "EMFILE"),
        new("fork_bomb", "EPERM", "EAGAIN"),
        new("zombie_storm", "EPERM", "EAGAIN"),
        new("thread_bomb", "EPERM", "EAGAIN"),
        new("signal_bomb", "EPERM", "EAGAIN"),
        new("timer_bomb", "EPERM", "EAGAIN"),
        new("log_flood", "EPERM", "EBADF", "contained"),
        new("output_flood", "EPERM", "EBADF", "cut"),
        new("processor_hog", "timeout"),
        new("sleep_for_ever", "timeout"),
        new("ignore_term", "timeout"),
        new("huge_stack", "signal 11"),
    ];
}
