using System.Collections.Concurrent;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Images;

internal enum ImageState : byte
{
    /// <summary>Sent to the spawner, not yet answered.</summary>
    Opening,
    Ready,

    /// <summary>Its zygote or the spawner ended; it is being opened again.</summary>
    Lost,

    /// <summary>It could not be loaded; <see cref="Image.Failure"/> says why.</summary>
    Failed,
}

/// <summary>
/// What a zygote has loaded, under one profile. The content stays in a sealed memory file so that a zygote that died can
/// be started again. Fields that change are written by the supervisor and published through <see cref="State"/>.
/// </summary>
internal sealed class Image(string hash, string profile, ImageKind kind, int sourceDescriptor, long bytes)
{
    private volatile ImageState _state = ImageState.Opening;

    /// <summary>sha256 of the content in lower-case hex; "command" for the image that executes commands.</summary>
    public string Hash { get; } = hash;

    public string Profile { get; } = profile;

    public ImageKind Kind { get; } = kind;

    /// <summary>Sealed memory file with the content, owned by the image; -1 for commands.</summary>
    public int SourceDescriptor { get; } = sourceDescriptor;

    public long Bytes { get; } = bytes;

    /// <summary>Its present zygote, if it has one, was opened so that workers can be written down and continued. Supervisor's.</summary>
    public bool IsMigratable { get; set; }

    public ImageState State
    {
        get => _state;
        set => _state = value;
    }

    /// <summary>The spawner's id of the present zygote; 0 when there is none.</summary>
    public ulong SpawnerId { get; set; }

    public int ZygoteProcessId { get; set; }

    public string[] Functions { get; set; } = [];

    /// <summary>Of commands: what they have where they say nothing. Set before the first of them can name it.</summary>
    public CommandDefaults? Defaults { get; set; }

    /// <summary>Workers that start from now on tell what each call cost. Of a plugin only where asked: to look at that clock takes longer than a short call.</summary>
    public bool MeasuresCpu { get; set; } = kind == ImageKind.Python;

    public string? Failure { get; set; }

    /// <summary>Timestamp at which it failed.</summary>
    public long FailedAt { get; set; }

    /// <summary>Timestamp at which its present zygote became ready.</summary>
    public long ReadySince { get; set; }

    /// <summary>Times in a row that its zygote was lost soon after it became ready.</summary>
    public int Reopened { get; set; }

    /// <summary>The pools over it. Added by the task service, read by the supervisor.</summary>
    public ConcurrentBag<WorkerPool> Pools { get; } = [];

    /// <summary>Completes when the first open was answered.</summary>
    public TaskCompletionSource Opened { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
