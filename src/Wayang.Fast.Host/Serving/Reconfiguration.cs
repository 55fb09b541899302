using System.Security.Cryptography;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Serving;

/// <summary>
/// The configuration of a running daemon: puts its images, and applies a later one as far as that is possible without a
/// restart. One at a time, on the thread pool.
/// </summary>
internal sealed class Reconfiguration(ServeOptions start, NodeRuntime runtime, ISupervisorLog log)
{
    private const int DefaultTenant = 0;

    private readonly Lock gate = new();
    private readonly Dictionary<string, string> images = new(StringComparer.Ordinal); // name to what was put
    private readonly Dictionary<string, string> failures = new(StringComparer.Ordinal);
    private FileSettings settings = start.Settings;
    private Task last = Task.CompletedTask;
    private int loading;

    /// <summary>The tokens in force, when there is a door for them.</summary>
    public TokenStore? Tokens { get; set; }

    /// <summary>For readiness: null when all configured images were tried.</summary>
    public string? Waiting => Volatile.Read(ref loading) > 0 ? "loading the configured images" : null;

    /// <summary>Configured images that could not be loaded, one line each.</summary>
    public IReadOnlyList<string> Failures
    {
        get
        {
            lock (gate)
            {
                return [.. failures.OrderBy(static f => f.Key, StringComparer.Ordinal).Select(static f => $"image '{f.Key}' failed: {f.Value}")];
            }
        }
    }

    /// <summary>Puts the images of the start; ends when each is there or has failed.</summary>
    public Task StartAsync()
    {
        lock (gate)
        {
            return last = PutAllAsync(start.Images);
        }
    }

    /// <summary>Takes a configuration that the keeper handed over: in order, and after what is under way.</summary>
    public void Receive(int descriptor)
    {
        lock (gate)
        {
            last = AfterAsync(last, descriptor);
        }
    }

    private async Task AfterAsync(Task before, int descriptor)
    {
        // Off the keeper link's thread at once.
        await Task.Yield();
        await before;
        ConfigurationBundle bundle;
        try
        {
            bundle = ConfigurationBundle.FromDescriptor(descriptor);
        }
        catch (ConfigurationException error)
        {
            log.Warn($"reload refused, nothing was changed: {error.Message}");
            return;
        }

        Apply(bundle.Configuration.Settings);
        if (bundle.TokensText is { } tokens && Tokens is { FollowsFile: false } store)
        {
            store.Replace(tokens);
            log.Info($"reload: {store.Count} tokens in force");
        }

        await PutAllAsync(bundle.Images);
    }

    /// <summary>All that can change changes in one step.</summary>
    private void Apply(FileSettings wanted)
    {
        var applied = wanted with
        {
            SocketPath = settings.SocketPath,
            HttpPort = settings.HttpPort,
            RpcTcp = settings.RpcTcp,
            Runtime = runtime.Reconfigure(wanted.Runtime with { ProfileMemoryBytes = start.Settings.Runtime.ProfileMemoryBytes }),
        };
        var changes = ConfigurationChange.Between(settings, wanted, applied);
        foreach (var gone in settings.Images.Where(i => wanted.Images.All(w => w.Name != i.Name)))
        {
            log.Info($"reload: image '{gone.Name}' is no longer configured; it stays until the runtime is started again");
        }

        settings = applied;
        foreach (var change in changes)
        {
            if (change.NeedsRestart)
            {
                log.Warn($"reload: {change}");
            }
            else
            {
                log.Info($"reload: {change}");
            }
        }

        log.Info(changes.Count == 0 ? "reload: no key changed" : $"reload: done, {changes.Count(static c => !c.NeedsRestart)} of {changes.Count} changes in force");
        TellMemory(applied.Runtime);
    }

    /// <summary>A limit above a profile's is not an error, but must not surprise.</summary>
    public void TellMemory(RuntimeOptions options)
    {
        if (options.WorkerMemoryBytes > 0 && options.ProfileMemoryBytes.Count == 0)
        {
            log.Warn($"limits.worker_memory_bytes has no effect: no profile can be read in {start.PolicyDirectory}");
        }

        foreach (var conflict in PolicyMemory.Conflicts(options.WorkerMemoryBytes, options.ProfileMemoryBytes))
        {
            log.Info(conflict);
        }
    }

    private async Task PutAllAsync(IReadOnlyList<LoadedImage> wanted)
    {
        Interlocked.Increment(ref loading);
        try
        {
            foreach (var loaded in wanted)
            {
                await PutAsync(loaded);
            }
        }
        finally
        {
            Interlocked.Decrement(ref loading);
        }
    }

    private async Task PutAsync(LoadedImage loaded)
    {
        var image = loaded.Image;
        var identity = $"{image.Kind} {image.Profile} {string.Join(',', image.Preload)} {Convert.ToHexStringLower(SHA256.HashData(loaded.Content.Span))}";
        if (images.GetValueOrDefault(image.Name) == identity)
        {
            return;
        }

        var upload = new ImageUpload(image.Kind, loaded.Content, image.Name, DefaultTenant) { Preload = image.Preload, Profile = image.Profile };
        var (put, error) = await runtime.Tasks.PutImageAsync(upload, CancellationToken.None);
        lock (gate)
        {
            if (put is null)
            {
                failures[image.Name] = error?.Message ?? "unknown";
            }
            else
            {
                failures.Remove(image.Name);
                images[image.Name] = identity;
            }
        }

        if (put is null)
        {
            log.Warn($"image '{image.Name}' of {image.Place} ({image.File}) is not there: {error?.Message}");
        }
        else
        {
            log.Info($"image '{image.Name}' is ready: {string.Join(", ", put.Functions.Take(8))}{(put.Functions.Count > 8 ? ", ..." : "")}");
        }
    }
}
