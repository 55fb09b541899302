using System.Diagnostics;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Supervision;

/// <summary>Opens images at the spawner, and opens them again when their zygote or the spawner was lost. Supervisor only.</summary>
internal sealed class ImageKeeper(SpawnerLink link, Shard shard, LiveOptions options, IncidentLog incidents, ISupervisorLog log)
{
    private const int MaxReopens = 5;

    /// <summary>What its workers may not have is what cannot be carried.</summary>
    private const string MigratableProfile = "compute";
    private static readonly TimeSpan SteadyTime = TimeSpan.FromMinutes(1);

    private readonly List<Image> _images = [];
    private ulong _nextId = 1;

    /// <summary>Zygotes that ended without being asked.</summary>
    public long Lost { get; private set; }

    public void Open(Image image)
    {
        _images.Add(image);
        if (link.IsReady)
        {
            SendOpen(image);
        }
    }

    public void OpenAll()
    {
        foreach (var image in _images)
        {
            SendOpen(image);
        }
    }

    /// <summary>The spawner is gone, and every zygote with it.</summary>
    public void LoseAll()
    {
        foreach (var image in _images)
        {
            image.SpawnerId = 0;
            image.State = image.State == ImageState.Opening ? ImageState.Opening : ImageState.Lost;
        }
    }

    public bool OnReady(ulong id, int zygote, string[] functions)
    {
        if (Find(id) is not { } image)
        {
            return true;
        }

        if (image.State == ImageState.Lost && !functions.AsSpan().SequenceEqual(image.Functions))
        {
            Fail(image, "the image registered other functions when it was loaded again");
            return true;
        }

        image.ZygoteProcessId = zygote;
        image.Functions = functions;
        image.ReadySince = Stopwatch.GetTimestamp();
        image.State = ImageState.Ready;
        image.Opened.TrySetResult();
        foreach (var pool in image.Pools)
        {
            shard.Post(new ShardEvent(ShardEventKind.PoolRetry, Pool: pool));
        }

        return true;
    }

    /// <summary>A start was refused because the image is going down: no more starts until it is back.</summary>
    public static void OnEnding(Image? image)
    {
        if (image is { State: ImageState.Ready, SpawnerId: not 0 })
        {
            image.State = ImageState.Lost;
        }
    }

    public void OnGone(in SpawnerFailure failure)
    {
        if (Find(failure.Id) is not { } image)
        {
            return;
        }

        image.SpawnerId = 0;
        if (image.State is ImageState.Ready or ImageState.Lost)
        {
            Lost++;
            incidents.Add(IncidentKind.ZygoteLost, $"{image.Hash[..Math.Min(12, image.Hash.Length)]}/{image.Profile}", failure.Text);
        }

        if (Stopwatch.GetElapsedTime(image.ReadySince) > SteadyTime)
        {
            image.Reopened = 0; // it served for long: a new misfortune, not the old one again
        }

        if (image.State is ImageState.Ready or ImageState.Lost && image.Reopened++ < MaxReopens)
        {
            log.Warn($"the zygote of image {image.Hash[..Math.Min(12, image.Hash.Length)]} ended ({failure.Text}); it is started again");
            image.State = ImageState.Lost;
            SendOpen(image);
            return;
        }

        Fail(image, failure.Detail.Length > 0 ? failure.Detail : failure.Text);
    }

    /// <summary>True when the refused request was the opening of an image.</summary>
    public bool OnRefused(ulong request, in SpawnerFailure failure)
    {
        if (Find(request) is not { State: ImageState.Opening or ImageState.Lost } image)
        {
            return false;
        }

        Fail(image, failure.Text);
        return true;
    }

    /// <summary>Pools of an image that failed for good are closed when they are next used.</summary>
    private void Fail(Image image, string why)
    {
        _images.Remove(image);
        image.Failure = why;
        image.FailedAt = Stopwatch.GetTimestamp();
        image.State = ImageState.Failed;
        image.Opened.TrySetResult();
        foreach (var pool in image.Pools)
        {
            shard.Post(new ShardEvent(ShardEventKind.PoolClosed, Pool: pool));
        }
    }

    private void SendOpen(Image image)
    {
        image.SpawnerId = (_nextId++ << 32) | 0xFFFF_FFFF;
        image.IsMigratable = options.Current.MigratesCompute && image.Kind != ImageKind.Command && image.Profile == MigratableProfile
            && link.Welcome?.Features.HasFlag(SpawnerFeatures.Migration) == true;
        link.SendImageOpen(image, image.SpawnerId, image.Hash[..Math.Min(16, image.Hash.Length)]);
    }

    private Image? Find(ulong id) => id == 0 ? null : _images.Find(i => i.SpawnerId == id);
}
