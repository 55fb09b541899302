using System.Globalization;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Writes results: the map of a reply, whatever front door it leaves by.</summary>
internal static class ReplyEncoder
{
    public static void ErrorMap(ref MessagePackWriter writer, OperationError error)
    {
        writer.WriteMapHeader(2 + (error.Field is null ? 0 : 1) + (error.RetryAfterMs is null ? 0 : 1));
        writer.WriteString("code"u8);
        writer.WriteString(WireNames.Utf8(error.Code));
        writer.WriteString("message"u8);
        writer.WriteString(error.Message);
        if (error.Field is not null)
        {
            writer.WriteString("field"u8);
            writer.WriteString(error.Field);
        }

        if (error.RetryAfterMs is { } delay)
        {
            writer.WriteString("retry_after_ms"u8);
            writer.WriteInt64(delay);
        }
    }

    public static void TaskIdMap(ref MessagePackWriter writer, TaskId id)
    {
        writer.WriteMapHeader(1);
        writer.WriteString("task"u8);
        Id(ref writer, id);
    }

    /// <summary>Bytes of what a result carries beside its facts.</summary>
    public static long PayloadBytes(ITaskView task) => (long)task.Output.Length + task.Stdout.Length + task.Stderr.Length + task.Log.Length;

    public static void TaskResult(ref MessagePackWriter writer, ITaskView task)
    {
        var isCall = task.Kind == TaskKind.Call;
        var stdout = task.Stdout;
        var stderr = task.Stderr;
        var withStdout = !isCall || !stdout.IsEmpty;
        var withStderr = !isCall || !stderr.IsEmpty;
        var withLog = !task.Log.IsEmpty;
        var peak = task.PeakMemoryBytes;
        var cpu = task.CpuMicroseconds;
        var life = task.Life;
        writer.WriteMapHeader(6 + Count(isCall) + Count(withStdout) + Count(withStderr) + Count(task.StdoutDropped > 0)
            + Count(task.StderrDropped > 0) + Count(withLog) + Count(task.LogDropped > 0) + Count(peak > 0) + Count(cpu > 0)
            + LifeReplies.Count(life) + ArtifactReplies.Count(task.Artifacts) + Count(task.FromCache));
        writer.WriteString("task"u8);
        Id(ref writer, task.Id);
        writer.WriteString("state"u8);
        writer.WriteString(WireNames.Utf8(task.State));
        writer.WriteString("cause"u8);
        CauseFields.Write(ref writer, task.Cause, traceback: true);
        if (isCall)
        {
            writer.WriteString("output"u8);
            Bytes(ref writer, task.Output);
        }

        if (withStdout)
        {
            writer.WriteString("stdout"u8);
            Bytes(ref writer, stdout);
        }

        if (withStderr)
        {
            writer.WriteString("stderr"u8);
            Bytes(ref writer, stderr);
        }

        OptionalNumber(ref writer, "stdout_dropped"u8, (ulong)Math.Max(0, task.StdoutDropped));
        OptionalNumber(ref writer, "stderr_dropped"u8, (ulong)Math.Max(0, task.StderrDropped));
        if (withLog)
        {
            writer.WriteString("log"u8);
            Bytes(ref writer, task.Log);
        }

        OptionalNumber(ref writer, "log_dropped"u8, (ulong)Math.Max(0, task.LogDropped));
        ArtifactReplies.Write(ref writer, task.Artifacts);
        Number(ref writer, "queue_us"u8, task.QueueMicroseconds);
        Number(ref writer, "start_us"u8, task.StartMicroseconds);
        Number(ref writer, "run_us"u8, task.RunMicroseconds);
        OptionalNumber(ref writer, "peak_memory_bytes"u8, peak);
        OptionalNumber(ref writer, "cpu_us"u8, cpu);
        LifeReplies.Write(ref writer, life);
        if (task.FromCache)
        {
            writer.WriteString("cached"u8);
            writer.WriteBoolean(true);
        }
    }

    public static void Snapshot(ref MessagePackWriter writer, TaskSnapshot task)
    {
        var isCall = task.Kind == TaskKind.Call;
        var withCause = task.Cause.Type != CauseType.None;
        writer.WriteMapHeader(15 + Count(withCause) + (2 * Count(isCall)) + Count(task.Ended is not null) + Count(task.Progress is not null)
            + Count(task.Limits is not null) + LifeReplies.Count(task.Life) + ArtifactReplies.Count(task.Artifacts) + Count(task.Grants.Count > 0));
        writer.WriteString("task"u8);
        Id(ref writer, task.Id);
        Text(ref writer, "kind"u8, WireNames.Text(task.Kind));
        Text(ref writer, "state"u8, WireNames.Text(task.State));
        if (withCause)
        {
            writer.WriteString("cause"u8);
            CauseFields.Write(ref writer, task.Cause, traceback: true);
        }

        Text(ref writer, "class"u8, WireNames.Text(PriorityLevels.ClassOf(task.Level)));
        Number(ref writer, "priority"u8, task.Level);
        if (isCall)
        {
            Text(ref writer, "image"u8, task.Image);
            Text(ref writer, "function"u8, task.Function);
        }

        Text(ref writer, "submitted"u8, Time(task.Submitted));
        if (task.Ended is { } ended)
        {
            Text(ref writer, "ended"u8, Time(ended));
        }

        Number(ref writer, "queue_us"u8, task.QueueMicroseconds);
        Number(ref writer, "start_us"u8, task.StartMicroseconds);
        Number(ref writer, "run_us"u8, task.RunMicroseconds);
        Number(ref writer, "peak_memory_bytes"u8, (long)task.PeakMemoryBytes);
        Number(ref writer, "cpu_us"u8, (long)task.CpuMicroseconds);
        Number(ref writer, "output_bytes"u8, task.OutputBytes);
        Number(ref writer, "stdout_bytes"u8, task.StdoutBytes);
        Number(ref writer, "stderr_bytes"u8, task.StderrBytes);
        Number(ref writer, "log_bytes"u8, task.LogBytes);
        if (task.Limits is { } limits)
        {
            Limits(ref writer, limits, task.LimitsNotEnforced, task.DiskPlace);
        }

        ArtifactReplies.Write(ref writer, task.Artifacts);
        if (task.Progress is { } progress)
        {
            writer.WriteString("progress"u8);
            writer.WriteMapHeader(1 + Count(progress.Percent is not null));
            if (progress.Percent is { } percent)
            {
                Number(ref writer, "percent"u8, percent);
            }

            Text(ref writer, "text"u8, progress.Text);
        }

        LifeReplies.Write(ref writer, task.Life);
        if (task.Grants.Count > 0)
        {
            Texts(ref writer, "grants"u8, task.Grants);
        }
    }

    private static void Limits(ref MessagePackWriter writer, TaskLimits limits, IReadOnlyList<string> notEnforced, string diskPlace)
    {
        writer.WriteString("limits"u8);
        writer.WriteMapHeader(limits.Asked().Count() + Count(notEnforced.Count > 0) + Count(diskPlace.Length > 0));
        foreach (var (name, value) in limits.Asked())
        {
            writer.WriteString(name);
            writer.WriteInt64(value);
        }

        if (diskPlace.Length > 0)
        {
            Text(ref writer, "disk_place"u8, diskPlace);
        }

        if (notEnforced.Count > 0)
        {
            Texts(ref writer, "not_enforced"u8, notEnforced);
        }
    }

    public static void Image(ref MessagePackWriter writer, ImageDescription image)
    {
        writer.WriteMapHeader(5 + Count(image.Name is not null) + Count(image.Profile is not null));
        Text(ref writer, "image"u8, image.Image);
        if (image.Name is not null)
        {
            Text(ref writer, "name"u8, image.Name);
        }

        Text(ref writer, "kind"u8, image.Kind);
        Number(ref writer, "bytes"u8, image.Bytes);
        Texts(ref writer, "functions"u8, image.Functions);
        Text(ref writer, "state"u8, image.State);
        if (image.Profile is not null)
        {
            Text(ref writer, "profile"u8, image.Profile);
        }
    }

    public static void Node(ref MessagePackWriter writer, NodeDescription node)
    {
        writer.WriteMapHeader(9);
        Text(ref writer, "node"u8, node.Node);
        Text(ref writer, "version"u8, node.Version);
        Text(ref writer, "started"u8, Time(node.Started));
        writer.WriteString("root"u8);
        writer.WriteBoolean(node.Root);
        Text(ref writer, "cgroup_mode"u8, node.CgroupMode);
        Texts(ref writer, "features"u8, node.Features);
        Text(ref writer, "note"u8, node.Note);
        Numbers(ref writer, "limits"u8, node.Limits);
        writer.WriteString("profiles"u8);
        writer.WriteMapHeader(node.Profiles.Count);
        foreach (var profile in node.Profiles)
        {
            writer.WriteString(profile.Name);
            writer.WriteMapHeader(5 + Count(profile.Inherits is not null));
            writer.WriteString("files"u8);
            writer.WriteBoolean(profile.HasFiles);
            writer.WriteString("own_root"u8);
            writer.WriteBoolean(profile.HasOwnRoot);
            Texts(ref writer, "kinds"u8, profile.Kinds);
            Text(ref writer, "network"u8, profile.Network);
            Texts(ref writer, "destinations"u8, profile.Destinations);
            if (profile.Inherits is { } inherited)
            {
                Text(ref writer, "inherits"u8, inherited);
            }
        }
    }

    public static void Numbers(ref MessagePackWriter writer, ReadOnlySpan<byte> key, IReadOnlyDictionary<string, long> values)
    {
        writer.WriteString(key);
        writer.WriteMapHeader(values.Count);
        foreach (var (name, value) in values)
        {
            writer.WriteString(name);
            writer.WriteInt64(value);
        }
    }

    public static void Number(ref MessagePackWriter writer, ReadOnlySpan<byte> key, long value)
    {
        writer.WriteString(key);
        writer.WriteInt64(value);
    }

    public static void Id(ref MessagePackWriter writer, TaskId id)
    {
        writer.WriteStringHeader(TaskId.TextLength);
        id.Format(writer.Reserve(TaskId.TextLength));
    }

    public static void Text(ref MessagePackWriter writer, ReadOnlySpan<byte> key, string value)
    {
        writer.WriteString(key);
        writer.WriteString(value);
    }

    public static void Texts(ref MessagePackWriter writer, ReadOnlySpan<byte> key, IReadOnlyList<string> values)
    {
        writer.WriteString(key);
        writer.WriteArrayHeader(values.Count);
        foreach (var value in values)
        {
            writer.WriteString(value);
        }
    }

    private static void OptionalNumber(ref MessagePackWriter writer, ReadOnlySpan<byte> key, ulong value)
    {
        if (value > 0)
        {
            writer.WriteString(key);
            writer.WriteUInt64(value);
        }
    }

    public static string Time(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static void Bytes(ref MessagePackWriter writer, StreamBytes bytes)
    {
        writer.WriteBinaryHeader(bytes.Length);
        bytes.CopyTo(writer.Reserve(bytes.Length));
    }

    private static int Count(bool present) => present ? 1 : 0;
}
