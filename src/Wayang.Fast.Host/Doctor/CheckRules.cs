namespace Wayang.Fast.Host.Doctor;

/// <summary>How much a lack matters.</summary>
internal enum Need
{
    /// <summary>No sandboxed task can be run without.</summary>
    Required,

    /// <summary>Tasks run without, at a cost.</summary>
    Wanted,

    /// <summary>A value, not judged.</summary>
    Told,
}

/// <summary>What a check of <c>wayang-probe</c> means.</summary>
internal sealed record CheckRule(string Name, Need Need, string Cost, string Remedy);

/// <summary>The checks, with what each lack costs and the remedy. A remedy that depends on the host is in <see cref="Remedies"/>.</summary>
internal static class CheckRules
{
    private const string Kernel = "Boot a kernel of version 5.11 or later; in a container, start it with --security-opt seccomp=unconfined.";
    private const string NoSandbox = "no task can be started: its sandbox cannot be built";
    private const string NoMigration = "running tasks cannot be moved transparently";

    /// <summary>In the order in which they are shown.</summary>
    public static readonly IReadOnlyList<string> Groups =
        ["kernel", "namespaces", "sandbox", "groups", "limits", "memory", "host", "disk", "software", "accelerator", "migration", "installation"];

    private static readonly CheckRule[] Rules =
    [
        new("kernel.version", Need.Required, NoSandbox, Kernel),
        new("kernel.clone3", Need.Required, NoSandbox, Kernel),
        new("kernel.pidfd", Need.Required, "no process can be watched without a race", Kernel),
        new("kernel.pidfd_getfd", Need.Required, "violations of the sandbox cannot be told", Kernel),
        new("kernel.openat2", Need.Required, "paths cannot be resolved without following links", Kernel),
        new("kernel.execveat", Need.Required, "the zygote cannot be executed by descriptor", Kernel),
        new("kernel.close_range", Need.Required, NoSandbox, Kernel),
        new("kernel.memfd_seals", Need.Required, "no memory can be shared with a worker safely", Kernel),
        new("namespaces.user", Need.Required, NoSandbox, Remedies.UserNamespaces),
        new("namespaces.mount", Need.Required, NoSandbox, Remedies.UserNamespaces),
        new("namespaces.pid", Need.Required, NoSandbox, Remedies.UserNamespaces),
        new("namespaces.net", Need.Required, NoSandbox, Remedies.UserNamespaces),
        new("namespaces.ipc", Need.Required, NoSandbox, Remedies.UserNamespaces),
        new("namespaces.uts", Need.Required, NoSandbox, Remedies.UserNamespaces),
        new("namespaces.cgroup", Need.Required, NoSandbox, Remedies.UserNamespaces),
        new("namespaces.time", Need.Wanted, "a task that is moved may see its clock jump", "Boot a kernel with CONFIG_TIME_NS (5.6 or later)."),
        new("namespaces.together", Need.Required, NoSandbox, Remedies.UserNamespaces),
        new("namespaces.nested", Need.Required, "the mounts of an image cannot be locked", Remedies.UserNamespaces),
        new("namespaces.unprivileged", Need.Wanted, "the runtime can be started as root only", Remedies.UserNamespaces),
        new("sandbox.no_new_privs", Need.Required, NoSandbox, Kernel),
        new("sandbox.seccomp", Need.Required, NoSandbox, "Boot a kernel with CONFIG_SECCOMP_FILTER."),
        new("sandbox.seccomp_notify", Need.Required, "violations cannot be told, so no worker is started", "Boot a kernel with CONFIG_SECCOMP_FILTER of version 5.11 or later."),
        new("sandbox.landlock", Need.Wanted, "files are held back by the private root alone, without a second wall", "Boot with lsm=landlock,... on the kernel's command line (CONFIG_SECURITY_LANDLOCK)."),
        new("sandbox.proc", Need.Required, "commands have no /proc", "Unmount what hides parts of the host's /proc (in a container: --security-opt systempaths=unconfined)."),
        new("sandbox.tmpfs", Need.Required, "tasks have no /tmp of their own", Remedies.UserNamespaces),
        new("sandbox.root", Need.Required, NoSandbox, Kernel),
        new("sandbox.overlay", Need.Wanted, "images with a root of their own are read-only but for /tmp", "Boot a kernel of version 5.11 or later with CONFIG_OVERLAY_FS (modprobe overlay)."),
        new("groups.version", Need.Wanted, "no limits per worker", "mount -t cgroup2 none /sys/fs/cgroup"),
        new("groups.memory", Need.Wanted, "memory is limited per process only (RLIMIT_DATA)", Remedies.Groups),
        new("groups.pids", Need.Wanted, "processes are limited by RLIMIT_NPROC, before Linux 5.14 for all tasks of an image's user together", Remedies.Groups),
        new("groups.cpu", Need.Wanted, "CPU weight is by niceness only", Remedies.Groups),
        new("groups.cpu_cap", Need.Wanted, "limits.cpu_milli is refused: tasks have a weight, no cap of CPU time", "A kernel with CONFIG_CFS_BANDWIDTH, and the cpu controller for the runtime (see groups.cpu)."),
        new("groups.io", Need.Wanted, "limits.io_* are refused: what a task reads and writes of the disks has no rate", Remedies.Groups),
        new("groups.freezer", Need.Wanted, "a task of several processes cannot be frozen at once", Remedies.Groups),
        new("groups.kill", Need.Wanted, "what is left in a group is killed process by process", "Boot with systemd.unified_cgroup_hierarchy=1 (version 2), kernel 5.14 or later."),
        new("groups.pressure", Need.Wanted, "pressure on memory is not seen before the kernel kills", "Boot with psi=1 on the kernel's command line (CONFIG_PSI)."),
        new("migration.ptrace", Need.Wanted, NoMigration, "sysctl -w kernel.yama.ptrace_scope=1"),
        new("migration.process_vm_readv", Need.Wanted, NoMigration, "Boot a kernel with CONFIG_CROSS_MEMORY_ATTACH; in a container, allow process_vm_readv."),
        new("migration.userfaultfd", Need.Wanted, "memory is copied while the task stands still: longer pauses", "Boot a kernel with CONFIG_USERFAULTFD; in a container, allow userfaultfd."),
        new("migration.write_protect", Need.Wanted, "memory is copied while the task stands still: longer pauses", "Boot a kernel of version 6.7 or later with CONFIG_PTE_MARKER_UFFD_WP."),
        new("migration.pagemap_scan", Need.Wanted, "changed pages are found slowly: longer pauses", "Boot a kernel of version 6.7 or later."),
        new("memory.shm", Need.Told, string.Empty, string.Empty),
        new("software.python3", Need.Wanted, "no Python tasks", "apt-get install -y python3"),
        new("software.libpython", Need.Wanted, "no Python tasks", "apt-get install -y libpython3.11"),
        new("software.numpy", Need.Wanted, "Python tasks cannot import numpy", "apt-get install -y python3-numpy"),
        new("software.msgpack", Need.Wanted, "Python tasks cannot import msgpack", "apt-get install -y python3-msgpack"),
        new("software.crun", Need.Told, string.Empty, string.Empty),
        new("software.runsc", Need.Told, string.Empty, string.Empty),
        new("accelerator.gpu", Need.Wanted, "computing is done by the processors alone", "Install the driver of an NVIDIA GPU, where there is one."),
        new("disk.project_quota", Need.Told, string.Empty, string.Empty),
        new("disk.loop", Need.Wanted, "what a task writes lies in its memory", "modprobe loop (it needs root)"),
        new("disk.image", Need.Wanted, "what a task writes lies in its memory: limits.disk_bytes above limits.memory_bytes is refused", "apt-get install -y e2fsprogs; modprobe loop; start the runtime as root."),
        new("host.clock_source", Need.Wanted, "each look at the clock is a system call", "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource"),
        new("host.time_sync", Need.Wanted, "times of several nodes cannot be compared", "apt-get install -y chrony"),
        new("host.perf_events", Need.Told, string.Empty, string.Empty),
        new("installation.files", Need.Required, "the runtime cannot be started", "./build.sh build"),
        new("installation.owner", Need.Required, "the keeper refuses to start", "chmod -R go-w on the installation, and chown it to root or to yourself."),
        new("installation.runtime_dir", Need.Required, "the runtime cannot be started", "Remove it, or set XDG_RUNTIME_DIR to a directory of yours."),
    ];

    public static IReadOnlyList<CheckRule> All => Rules;

    public static Finding Judge(CheckRule rule, ProbeAnswer? answer, HostNature host)
    {
        var dot = rule.Name.IndexOf('.', StringComparison.Ordinal);
        var (group, name) = (rule.Name[..dot], rule.Name[(dot + 1)..]);
        var value = answer?.Value ?? "not tried: wayang-probe did not answer";
        var level = (answer?.Holds, rule.Need) switch
        {
            (true, _) or (false, Need.Told) => Level.Ok,
            (null, _) => Level.Unknown,
            (false, Need.Required) => Level.Missing,
            _ => Level.Degraded,
        };
        return level == Level.Ok
            ? new Finding(group, name, level, rule.Need == Need.Required, value)
            : new Finding(group, name, level, rule.Need == Need.Required, value, rule.Cost, Remedies.Resolve(rule.Remedy, value, host));
    }
}
