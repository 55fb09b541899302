using System.Buffers.Binary;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Isolation;
using Wayang.Fast.Execution.Limits;

namespace Wayang.Fast.Execution.Spawner;

/// <summary>Types of the messages between daemon and spawner; mirrors <c>native/spawner/protocol.h</c>.</summary>
internal enum MessageType : ushort
{
    Hello = 1,
    ImageOpen = 2,
    ImageClose = 3,
    WorkerStart = 4,
    CommandStart = 5,
    WorkerSignal = 6,
    Scan = 16,
    Usage = 7,
    WorkerClass = 22,
    WorkerFreeze = 23,
    WorkerCapture = 24,
    WorkerRestore = 25,
    WorkerGo = 26,
    ProfileDefine = 20,
    WorkerNetwork = 21,
    Welcome = 32,
    ImageReady = 33,
    ImageGone = 34,
    WorkerStarted = 35,
    WorkerExited = 36,
    Refused = 37,
    Log = 38,
    ScanFinding = 48,
    ScanDone = 49,
    UsageOf = 39,
    WorkerFrozen = 40,
    WorkerCaptured = 41,
    WorkerRestored = 42,
    WorkerPrepared = 43,
    ProfileNetwork = 56,
}

/// <summary>What the spawner loads.</summary>
public enum ImageKind
{
    Command = 1,
    CPlugin = 2,

    /// <summary>A Python module, with what is preloaded.</summary>
    Python = 3,
}

/// <summary>How a worker process ended, as the spawner decided it.</summary>
internal enum ExitKind : uint
{
    Code = 1,
    Signal = 2,
    OutOfMemory = 3,
    Violation = 4,
    NotStarted = 5,
    Killed = 6,

    /// <summary>Gone with its image, or killed from outside. Not started before: nothing of it ever ran.</summary>
    Lost = 7,
}

/// <summary>What the host gives; told in WELCOME.</summary>
[Flags]
internal enum SpawnerFeatures : uint
{
    None = 0,
    Root = 0x1,
    CgroupV1 = 0x2,
    CgroupV2 = 0x4,
    MemoryGroup = 0x8,
    PidsGroup = 0x10,
    Landlock = 0x20,
    SeccompNotify = 0x40,
    CpuGroup = 0x80,

    /// <summary>Python images can be opened.</summary>
    Python = 0x100,

    /// <summary>A hard cap of CPU time can be set.</summary>
    CpuCap = 0x200,

    /// <summary>Roots that were lent can be written by way of an overlay.</summary>
    Overlay = 0x400,

    /// <summary>Tasks are frozen by the freezer of their group; without it by SIGSTOP.</summary>
    Freezer = 0x800,

    /// <summary>Workers of migratable images can be captured and restored.</summary>
    Migration = 0x1000,

    /// <summary>Writable space can be made on the disk: a file system of its own for each worker.</summary>
    DiskImage = 0x2000,

    /// <summary>Rates of disk I/O can be set.</summary>
    IoRates = 0x4000,
}

/// <summary>What a profile of the policy is; told in WELCOME.</summary>
[Flags]
internal enum SpawnerProfileTraits : uint
{
    None = 0,
    Files = 0x1,
    OwnRoot = 0x2,
}

/// <summary>Sizes and fixed numbers of the protocol.</summary>
internal static class ProtocolLayout
{
    public const uint Magic = 0x50535957;
    public const ushort Version = 1;
    public const int MaxBytes = 65536;
    public const int MaxDescriptors = 9;
    public const int NameBytes = 64;
    public const int HeaderBytes = 24;
    public const int HelloBytes = 8;
    public const int WelcomeBytes = 520;
    public const int ProfileBytes = 128;
    public const int MaxProfiles = 16;
    public const int ImageOpenBytes = 144;
    public const int ImageRefBytes = 8;
    public const int ImageReadyBytes = 16;
    public const int WorkerStartBytes = 88;
    public const int WorkerSignalBytes = 16;
    public const int WorkerClassBytes = 16;
    public const int WorkerFreezeBytes = 16;
    public const int WorkerFrozenBytes = 16;
    public const int WorkerCaptureBytes = 16;
    public const int WorkerMovedBytes = 48;
    public const int WorkerRefBytes = 8;
    public const int UsageBytes = 8;
    public const int UsageOfBytes = 8;
    public const int WorkerUsageBytes = 24;
    public const int UsageMost = 64;
    public const int WorkerStartedBytes = 16;
    public const int WorkerExitedBytes = 168;
    public const int FailureBytes = 528;

    /// <summary>The most that may follow a failure in IMAGE_GONE: lines that the image wrote.</summary>
    public const int DetailBytes = 4096;

    /// <summary>In the flags of WORKER_EXITED: the writable space was full when the command ended.</summary>
    public const uint ExitDiskFull = 0x1;
    public const uint ArgumentsMagic = 0x52415957;
    public const int ArgumentsMaxBytes = 2 * 1024 * 1024;
    public const uint StageMagic = 0x54535957;
    public const int StageMaxEntries = 1024;
    public const int StageNameBytes = 256;
    public const int StageHeaderBytes = 24;
    public const int StageEntryBytes = 280;
    public const int ArtifactHeaderBytes = 16;
    public const int ArtifactNameBytes = 1024;
}

/// <summary>Builds messages into a caller's buffer of <see cref="ProtocolLayout.MaxBytes"/>; each returns the length.</summary>
internal static class MessageWriter
{
    public static int Hello(Span<byte> buffer, ulong request)
    {
        var body = Begin(buffer, MessageType.Hello, ProtocolLayout.HelloBytes, 0, request);
        BinaryPrimitives.WriteUInt32LittleEndian(body, ProtocolLayout.Version);
        return ProtocolLayout.HeaderBytes + ProtocolLayout.HelloBytes;
    }

    public static int ImageOpen(Span<byte> buffer, ulong request, ulong image, ImageKind kind, string profile, string name, int descriptors, bool migratable = false)
    {
        var body = Begin(buffer, MessageType.ImageOpen, ProtocolLayout.ImageOpenBytes, descriptors, request);
        BinaryPrimitives.WriteUInt64LittleEndian(body, image);
        BinaryPrimitives.WriteUInt32LittleEndian(body[8..], (uint)kind);
        BinaryPrimitives.WriteUInt32LittleEndian(body[12..], migratable ? 1u : 0u);
        WriteName(body[16..], profile);
        WriteName(body[(16 + ProtocolLayout.NameBytes)..], name);
        return ProtocolLayout.HeaderBytes + ProtocolLayout.ImageOpenBytes;
    }

    public static int ImageClose(Span<byte> buffer, ulong image)
    {
        var body = Begin(buffer, MessageType.ImageClose, ProtocolLayout.ImageRefBytes, 0, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(body, image);
        return ProtocolLayout.HeaderBytes + ProtocolLayout.ImageRefBytes;
    }

    public static int WorkerStart(Span<byte> buffer, MessageType type, ulong worker, ulong image, uint niceClass, int descriptors, in StartLimits limits)
    {
        var body = Begin(buffer, type, ProtocolLayout.WorkerStartBytes, descriptors, worker);
        BinaryPrimitives.WriteUInt64LittleEndian(body, worker);
        BinaryPrimitives.WriteUInt64LittleEndian(body[8..], image);
        BinaryPrimitives.WriteInt64LittleEndian(body[16..], limits.MemoryBytes);
        BinaryPrimitives.WriteInt64LittleEndian(body[(limits.OnDisk ? 56 : 24)..], limits.DiskBytes);
        BinaryPrimitives.WriteInt32LittleEndian(body[32..], limits.Pids);
        BinaryPrimitives.WriteUInt32LittleEndian(body[36..], niceClass);
        BinaryPrimitives.WriteInt64LittleEndian(body[40..], limits.ReservedBytes);
        BinaryPrimitives.WriteInt32LittleEndian(body[48..], limits.CpuMilli);
        BinaryPrimitives.WriteInt32LittleEndian(body[52..], limits.CpuWeight);
        BinaryPrimitives.WriteInt64LittleEndian(body[64..], limits.Io.ReadBytes);
        BinaryPrimitives.WriteInt64LittleEndian(body[72..], limits.Io.WriteBytes);
        BinaryPrimitives.WriteInt32LittleEndian(body[80..], limits.Io.ReadOps);
        BinaryPrimitives.WriteInt32LittleEndian(body[84..], limits.Io.WriteOps);
        return ProtocolLayout.HeaderBytes + ProtocolLayout.WorkerStartBytes;
    }

    public static int WorkerSignal(Span<byte> buffer, ulong worker, int signal)
    {
        // Request 0: a refused signal (its worker just ended) must not look like the refused start of the same worker.
        var body = Begin(buffer, MessageType.WorkerSignal, ProtocolLayout.WorkerSignalBytes, 0, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(body, worker);
        BinaryPrimitives.WriteInt32LittleEndian(body[8..], signal);
        return ProtocolLayout.HeaderBytes + ProtocolLayout.WorkerSignalBytes;
    }

    public static int WorkerClass(Span<byte> buffer, ulong worker, uint niceClass)
    {
        var body = Begin(buffer, MessageType.WorkerClass, ProtocolLayout.WorkerClassBytes, 0, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(body, worker);
        BinaryPrimitives.WriteUInt32LittleEndian(body[8..], niceClass);
        return ProtocolLayout.HeaderBytes + ProtocolLayout.WorkerClassBytes;
    }

    public static int Scan(Span<byte> buffer)
    {
        Begin(buffer, MessageType.Scan, ScanMessages.ScanBytes, 0, 0);
        return ProtocolLayout.HeaderBytes + ScanMessages.ScanBytes;
    }

    public static int Usage(Span<byte> buffer, uint first)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(Begin(buffer, MessageType.Usage, ProtocolLayout.UsageBytes, 0, 0), first);
        return ProtocolLayout.HeaderBytes + ProtocolLayout.UsageBytes;
    }

    internal static Span<byte> Begin(Span<byte> buffer, MessageType type, int bodyBytes, int descriptors, ulong request)
    {
        var message = buffer[..(ProtocolLayout.HeaderBytes + bodyBytes)];
        message.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(message, ProtocolLayout.Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(message[4..], ProtocolLayout.Version);
        BinaryPrimitives.WriteUInt16LittleEndian(message[6..], (ushort)type);
        BinaryPrimitives.WriteUInt32LittleEndian(message[8..], (uint)message.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(message[12..], (uint)descriptors);
        BinaryPrimitives.WriteUInt64LittleEndian(message[16..], request);
        return message[ProtocolLayout.HeaderBytes..];
    }

    internal static void WriteName(Span<byte> field, string name)
    {
        if (Encoding.UTF8.GetByteCount(name) >= ProtocolLayout.NameBytes)
        {
            throw new ArgumentException($"the name '{name}' has over {ProtocolLayout.NameBytes - 1} bytes", nameof(name));
        }

        Encoding.UTF8.GetBytes(name, field);
    }
}

/// <summary>Answer to HELLO.</summary>
internal sealed record Welcome(
    SpawnerFeatures Features, uint LandlockAbi, int MaxWorkers, string Note, IReadOnlyList<ProfileDescription> Profiles)
{
    /// <summary>Configured profiles that the spawner refused, with its reason.</summary>
    public IReadOnlyDictionary<string, string> RefusedProfiles { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);
}

/// <summary>The last word on a worker.</summary>
internal readonly record struct WorkerExit(ulong Worker, ExitKind Kind, int Value, ulong PeakMemoryBytes, ulong CpuMicroseconds, string Text)
{
    /// <summary>A command ended while its writable space was full.</summary>
    public bool DiskFull { get; init; }
}

/// <summary>A failure told by the spawner.</summary>
/// <param name="Detail">Lines of the image itself; empty when there are none.</param>
internal readonly record struct SpawnerFailure(ulong Id, uint Code, int Errno, string Text, string Detail)
{
    private const uint Full = 2; // wy_status, as the next
    private const uint Closed = 4;

    /// <summary>What was asked of is there no more, through no fault of the request.</summary>
    public bool IsClosed => Code == Closed;

    /// <summary>It is in the way of something that is over in a moment: asking again helps.</summary>
    public bool IsBusy => Code == Full;
}

/// <summary>Reads messages of the spawner; false for anything malformed (the spawner is then considered broken).</summary>
internal static class MessageReader
{
    public static bool TryReadHeader(ReadOnlySpan<byte> message, out MessageType type, out ulong request)
    {
        type = default;
        request = 0;
        if (message.Length < ProtocolLayout.HeaderBytes
            || BinaryPrimitives.ReadUInt32LittleEndian(message) != ProtocolLayout.Magic
            || BinaryPrimitives.ReadUInt16LittleEndian(message[4..]) != ProtocolLayout.Version
            || BinaryPrimitives.ReadUInt32LittleEndian(message[8..]) != message.Length)
        {
            return false;
        }

        type = (MessageType)BinaryPrimitives.ReadUInt16LittleEndian(message[6..]);
        request = BinaryPrimitives.ReadUInt64LittleEndian(message[16..]);
        return true;
    }

    public static bool TryReadWelcome(ReadOnlySpan<byte> body, out Welcome? welcome)
    {
        welcome = null;
        if (body.Length < ProtocolLayout.WelcomeBytes
            || !TryReadProfiles(body[ProtocolLayout.WelcomeBytes..], out var profiles)
            || BinaryPrimitives.ReadUInt32LittleEndian(body) != ProtocolLayout.Version)
        {
            return false;
        }

        welcome = new Welcome(
            (SpawnerFeatures)BinaryPrimitives.ReadUInt32LittleEndian(body[4..]),
            BinaryPrimitives.ReadUInt32LittleEndian(body[8..]),
            (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(body[12..]), 65535),
            ReadText(body[16..ProtocolLayout.WelcomeBytes]),
            profiles);
        return true;
    }

    private static bool TryReadProfiles(ReadOnlySpan<byte> tail, out ProfileDescription[] profiles)
    {
        profiles = [];
        var count = tail.Length / ProtocolLayout.ProfileBytes;
        if (count is 0 or > ProtocolLayout.MaxProfiles || tail.Length != count * ProtocolLayout.ProfileBytes)
        {
            return false;
        }

        var told = new ToldProfile[count];
        for (var i = 0; i < count; i++)
        {
            var profile = tail.Slice(i * ProtocolLayout.ProfileBytes, ProtocolLayout.ProfileBytes);
            var flags = (SpawnerProfileTraits)BinaryPrimitives.ReadUInt32LittleEndian(profile[ProtocolLayout.NameBytes..]);
            told[i] = new ToldProfile(
                ReadText(profile[..ProtocolLayout.NameBytes]),
                flags.HasFlag(SpawnerProfileTraits.Files),
                flags.HasFlag(SpawnerProfileTraits.OwnRoot),
                ReadLimits(profile));
        }

        profiles = PolicyProfiles.Describe(told);
        return true;
    }

    private static ProfileLimits ReadLimits(ReadOnlySpan<byte> profile) => new(
        BinaryPrimitives.ReadInt64LittleEndian(profile[72..]),
        BinaryPrimitives.ReadInt64LittleEndian(profile[80..]),
        BinaryPrimitives.ReadInt64LittleEndian(profile[96..]),
        BinaryPrimitives.ReadInt32LittleEndian(profile[68..]),
        BinaryPrimitives.ReadInt32LittleEndian(profile[88..]),
        BinaryPrimitives.ReadInt32LittleEndian(profile[92..]))
    {
        Io = new IoRates(
            BinaryPrimitives.ReadInt64LittleEndian(profile[104..]),
            BinaryPrimitives.ReadInt64LittleEndian(profile[112..]),
            BinaryPrimitives.ReadInt32LittleEndian(profile[120..]),
            BinaryPrimitives.ReadInt32LittleEndian(profile[124..])),
    };

    public static bool TryReadImageReady(ReadOnlySpan<byte> body, out ulong image, out int zygote, out string[] functions)
    {
        image = 0;
        zygote = 0;
        functions = [];
        if (body.Length < ProtocolLayout.ImageReadyBytes)
        {
            return false;
        }

        image = BinaryPrimitives.ReadUInt64LittleEndian(body);
        zygote = BinaryPrimitives.ReadInt32LittleEndian(body[8..]);
        var count = BinaryPrimitives.ReadUInt32LittleEndian(body[12..]);
        var rest = body[ProtocolLayout.ImageReadyBytes..];
        if (count > 1024)
        {
            return false;
        }

        functions = new string[count];
        for (var i = 0; i < functions.Length; i++)
        {
            var end = rest.IndexOf((byte)0);
            if (end <= 0)
            {
                return false;
            }

            functions[i] = Encoding.UTF8.GetString(rest[..end]);
            rest = rest[(end + 1)..];
        }

        return true;
    }

    public static bool TryReadWorkerStarted(ReadOnlySpan<byte> body, out ulong worker, out int pid)
    {
        worker = 0;
        pid = 0;
        if (body.Length != ProtocolLayout.WorkerStartedBytes)
        {
            return false;
        }

        worker = BinaryPrimitives.ReadUInt64LittleEndian(body);
        pid = BinaryPrimitives.ReadInt32LittleEndian(body[8..]);
        return true;
    }

    public static bool TryReadWorkerExited(ReadOnlySpan<byte> body, out WorkerExit exit)
    {
        exit = default;
        if (body.Length != ProtocolLayout.WorkerExitedBytes)
        {
            return false;
        }

        exit = new WorkerExit(
            BinaryPrimitives.ReadUInt64LittleEndian(body),
            (ExitKind)BinaryPrimitives.ReadUInt32LittleEndian(body[8..]),
            BinaryPrimitives.ReadInt32LittleEndian(body[12..]),
            BinaryPrimitives.ReadUInt64LittleEndian(body[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(body[24..]),
            ReadText(body[40..]))
        {
            DiskFull = (BinaryPrimitives.ReadUInt32LittleEndian(body[32..]) & ProtocolLayout.ExitDiskFull) != 0,
        };
        return exit.Kind is >= ExitKind.Code and <= ExitKind.Lost;
    }

    public static bool TryReadUsageHeader(ReadOnlySpan<byte> body, out uint next, out int count)
    {
        next = 0;
        count = (body.Length - ProtocolLayout.UsageOfBytes) / ProtocolLayout.WorkerUsageBytes;
        if (body.Length < ProtocolLayout.UsageOfBytes || count > ProtocolLayout.UsageMost
            || body.Length != ProtocolLayout.UsageOfBytes + (count * ProtocolLayout.WorkerUsageBytes)
            || BinaryPrimitives.ReadUInt32LittleEndian(body[4..]) != count)
        {
            return false;
        }

        next = BinaryPrimitives.ReadUInt32LittleEndian(body);
        return true;
    }

    /// <summary>One of those that <see cref="TryReadUsageHeader"/> counted.</summary>
    public static (ulong Worker, long MemoryBytes, long CpuMicroseconds) ReadUsage(ReadOnlySpan<byte> body, int index)
    {
        var one = body.Slice(ProtocolLayout.UsageOfBytes + (index * ProtocolLayout.WorkerUsageBytes), ProtocolLayout.WorkerUsageBytes);
        return (
            BinaryPrimitives.ReadUInt64LittleEndian(one), Math.Max(0, BinaryPrimitives.ReadInt64LittleEndian(one[8..])),
            Math.Max(0, BinaryPrimitives.ReadInt64LittleEndian(one[16..])));
    }

    /// <param name="withDetail">Whether text may follow it: IMAGE_GONE.</param>
    public static bool TryReadFailure(ReadOnlySpan<byte> body, bool withDetail, out SpawnerFailure failure)
    {
        failure = default;
        if (body.Length < ProtocolLayout.FailureBytes || body.Length > ProtocolLayout.FailureBytes + (withDetail ? ProtocolLayout.DetailBytes : 0))
        {
            return false;
        }

        failure = new SpawnerFailure(
            BinaryPrimitives.ReadUInt64LittleEndian(body),
            BinaryPrimitives.ReadUInt32LittleEndian(body[8..]),
            BinaryPrimitives.ReadInt32LittleEndian(body[12..]),
            ReadText(body[16..ProtocolLayout.FailureBytes]),
            Printable(Encoding.UTF8.GetString(body[ProtocolLayout.FailureBytes..])));
        return true;
    }

    /// <summary>What an image wrote ends up in terminals: no control characters but line ends and tabs.</summary>
    private static string Printable(string text) =>
        string.Create(text.Length, text, static (span, from) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(from[i]) && from[i] is not ('\n' or '\t') ? '?' : from[i];
            }
        });

    internal static string ReadText(ReadOnlySpan<byte> field)
    {
        var end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }
}
