using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution;
using Wayang.Fast.Execution.Isolation;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Host.Configuration;
using Wayang.Fast.Host.Oci;

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
    private volatile bool starting = start.Images.Count > 0;
    private bool isLater; // a configuration came after the one of the start

    /// <summary>The tokens in force, when there is a door for them.</summary>
    public TokenStore? Tokens { get; set; }

    /// <summary>Told of reloads, which come by no door.</summary>
    public AuditLog? Audit { get; set; }

    /// <summary>What the doors over HTTP show, when it is encrypted.</summary>
    public DoorCertificates? Certificates { get; set; }

    /// <summary>The nodes beside this one, when it has any.</summary>
    public DaemonPeers? Peers { get; set; }

    /// <summary>What a user of the unix sockets may do that is neither root nor whoever runs or started the runtime.</summary>
    public OperationScopes ScopesOfUser(uint user)
    {
        var tenants = settings.Tenants;
        return (tenants.FirstOrDefault(t => t.Policy.Users.Contains(user)) ?? tenants.FirstOrDefault(static t => t.IsOthers))?.Scopes ?? ConfiguredTenant.DefaultScopes;
    }

    /// <summary>For readiness: null when all images of the start were tried. A reload makes no node unready.</summary>
    public string? Waiting => starting ? "loading the configured images" : null;

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

    /// <summary>Keys and the values in force; secrets are left out.</summary>
    public IReadOnlyDictionary<string, string> InForce
    {
        get
        {
            var now = settings;
            return ConfigurationKeys.All.Where(static k => k.Read is not null && !k.IsSecret).ToDictionary(static k => k.Name, k => k.Read!(now), StringComparer.Ordinal);
        }
    }

    /// <summary>Puts the images of the start; ends when each is there or has failed.</summary>
    public Task StartAsync()
    {
        lock (gate)
        {
            return last = PutFirstAsync(last);
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

    private async Task PutFirstAsync(Task before)
    {
        await before;
        if (!isLater)
        {
            await PutAllAsync(start.Images);
        }

        starting = false;
    }

    private async Task AfterAsync(Task before, int descriptor)
    {
        // Off the keeper link's thread at once.
        await Task.Yield();
        await before;
        isLater = true;
        try
        {
            await TakeAsync(ConfigurationBundle.FromDescriptor(descriptor));
            TellAudit(AuditRecord.Done);
        }
        catch (ConfigurationException error)
        {
            log.Warn($"reload refused, nothing was changed: {error.Message}");
            TellAudit(WireNames.Text(ErrorCode.InvalidArgument));
        }
        catch (Exception defect) when (!Debugger.IsAttached)
        {
            // The next one must not fail because of this one.
            log.Warn($"defect in a reload: {defect}");
            TellAudit(WireNames.Text(ErrorCode.Internal));
        }
    }

    /// <summary>Only the starter's user, or root, can have sent it: the keeper takes it from nobody else.</summary>
    private void TellAudit(string outcome) => Audit?.Note("keeper", string.Create(CultureInfo.InvariantCulture, $"uid {start.StarterUid}"), "config.reload", outcome);

    private async Task TakeAsync(ConfigurationBundle bundle)
    {
        var before = settings.Peers;
        Apply(bundle.Configuration.Settings);
        if (bundle.TokensText is { } tokens && Tokens is { FollowsFile: false } store)
        {
            store.Replace(tokens);
            log.Info($"reload: {store.Count} tokens in force");
        }

        if (bundle.Tls is { } tls && Certificates is { } certificates)
        {
            try
            {
                certificates.Replace(tls.Server, tls.ClientAuthority);
                log.Info("reload: the certificates are read again");
            }
            catch (IOException unusable)
            {
                log.Warn($"reload: {unusable.Message} The former certificates stay in force.");
            }
        }

        await TakePeersAsync(before, bundle);

        await PutAllAsync(bundle.Images);
    }

    private async Task TakePeersAsync(IReadOnlyList<ConfiguredPeer> before, ConfigurationBundle bundle)
    {
        var changes = ConfiguredPeer.Changes(before, settings.Peers).ToList();
        if (Peers is { } peers)
        {
            changes.ForEach(change => log.Info($"reload: {change}"));
            await peers.TakeAsync(settings.Peers, bundle.Tls);
        }
        else if (changes.Count > 0)
        {
            log.Warn("reload: the node was started without peers, and gets none until the runtime is started again");
        }
    }

    /// <summary>All that can change changes in one step.</summary>
    private void Apply(FileSettings wanted)
    {
        var applied = wanted with
        {
            SocketPath = settings.SocketPath,
            HttpPort = settings.HttpPort,
            RpcTcp = settings.RpcTcp,
            Grpc = settings.Grpc,
            Rest = settings.Rest,
            Tls = settings.Tls,
            Heartbeat = settings.Heartbeat,
            Runtime = runtime.Reconfigure(wanted.Runtime with { ProfileMemoryBytes = start.Settings.Runtime.ProfileMemoryBytes, NodeName = start.Settings.Runtime.NodeName }),
        };
        var changes = ConfigurationChange.Between(settings, wanted, applied);
        foreach (var gone in settings.Images.Where(i => wanted.Images.All(w => w.Name != i.Name)))
        {
            log.Info($"reload: image '{gone.Name}' is no longer configured; it stays until the runtime is started again");
        }

        TellRoots(wanted);
        if (!wanted.Profiles.Select(static p => p.Profile.ToString()).SequenceEqual(settings.Profiles.Select(static p => p.Profile.ToString()), StringComparer.Ordinal))
        {
            log.Warn("reload: 'profiles' changed; profiles are defined when the runtime starts: restart it");
            applied = applied with { Profiles = settings.Profiles };
        }

        var tenants = ConfiguredTenant.Changes(settings.Tenants, wanted.Tenants).ToList();
        tenants.ForEach(change => log.Info($"reload: {change}"));
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

        log.Info(changes.Count == 0 ? tenants.Count == 0 ? "reload: no key changed" : "reload: done, tenants changed" : $"reload: done, {changes.Count(static c => !c.NeedsRestart)} of {changes.Count} changes in force");
        TellMemory(applied.Runtime);
    }

    /// <summary>Roots are lent to the spawner when it starts; a later one does not reach it.</summary>
    private void TellRoots(FileSettings wanted)
    {
        var before = start.Settings.Images;
        foreach (var image in wanted.Images.Where(i => i.HasRoot && !before.Any(b => b.Name == i.Name && b.RootProfile == i.RootProfile && b.RootWords == i.RootWords)))
        {
            log.Warn($"reload: image '{image.Name}' has a root that is new or changed; roots are lent when the runtime starts: restart it");
        }
    }

    /// <summary>A limit above a profile's is not an error, but must not surprise.</summary>
    public void TellMemory(RuntimeOptions options)
    {
        if (options.WorkerMemoryBytes > 0 && options.ProfileMemoryBytes.Count == 0)
        {
            log.Warn($"limits.worker_memory_bytes has no effect: no profile can be read in {start.PolicyDirectory}");
        }

        if (options.WorkerDiskBytes > 0)
        {
            log.Info("limits.worker_disk_bytes: a file system of that size on the disk for each task where the spawner can make one (DiskImage in 'wayang node'); else what a task writes lies in its memory (a sized tmpfs), and its /tmp is never larger than that. Never larger than its profile's line 'disk'");
        }

        foreach (var conflict in PolicyMemory.Conflicts(options.WorkerMemoryBytes, options.ProfileMemoryBytes))
        {
            log.Info(conflict);
        }
    }

    private async Task PutAllAsync(IReadOnlyList<LoadedImage> wanted)
    {
        lock (gate)
        {
            foreach (var name in failures.Keys.Where(name => wanted.All(w => w.Image.Name != name)).ToList())
            {
                failures.Remove(name); // nobody wants it any more
            }
        }

        foreach (var loaded in wanted)
        {
            try
            {
                await PutAsync(loaded);
            }
            catch (Exception defect) when (!Debugger.IsAttached)
            {
                Fail(loaded.Image, $"defect: {defect}");
            }
        }
    }

    private void Fail(ConfiguredImage image, string why)
    {
        lock (gate)
        {
            failures[image.Name] = why;
        }

        log.Warn($"image '{image.Name}' of {image.Place} ({image.File ?? "commands"}) is not there: {why}");
    }

    private async Task PutAsync(LoadedImage loaded)
    {
        var image = loaded.Image;
        var identity = $"{image.Kind} {image.RootProfile?.Name ?? image.Profile} {string.Join(',', image.Preload)} {image.MeasuresCpu} {Convert.ToHexStringLower(SHA256.HashData(loaded.Content.Span))} {string.Join(',', Tenants)}";
        if (images.GetValueOrDefault(image.Name) == identity)
        {
            Succeed(image.Name, identity);
            return;
        }

        if (image.HasRoot && start.Images.FirstOrDefault(s => s.Image.Name == image.Name) is { } first
            && (first.Image.RootWords != image.RootWords || !first.Content.Span.SequenceEqual(loaded.Content.Span)))
        {
            log.Warn($"image '{image.Name}' is another one now ({image.RootWords}); it stays what it was until the runtime is started again");
            return;
        }

        // For each tenant under its name; loaded once, as it is the same content.
        ImageDescription? put = null;
        OperationError? error = null;
        var how = image.HasRoot ? OciContent.Read(loaded.Content) : null;
        var data = image.HasRoot ? default : loaded.Content;
        var upload = new ImageUpload(image.Kind, data, image.Name, DefaultTenant) { Defaults = how?.Defaults, Preload = image.Preload, Profile = image.RootProfile?.Name ?? image.Profile, FileName = Path.GetFileName(image.File), MeasuresCpu = image.MeasuresCpu };
        foreach (var tenant in Tenants)
        {
            (put, error) = await runtime.Tasks.PutImageAsync(upload with { Tenant = tenant }, CancellationToken.None);
            if (put is null)
            {
                Fail(image, error?.Message ?? "for no reason that was told");
                return;
            }
        }

        Succeed(image.Name, identity);
        if (how?.Note is { } note)
        {
            log.Info($"image '{image.Name}': {note}");
        }

        log.Info(put!.Profile is { } where
            ? $"image '{image.Name}' is ready: commands {(image.RootWords is { } root ? $"on {root}, {Writable(image)}, {By(image)}" : string.Empty)}under profile {where}"
            : $"image '{image.Name}' is ready: {string.Join(", ", put.Functions.Take(8))}{(put.Functions.Count > 8 ? ", ..." : "")}");
    }

    /// <summary>Who has the configured images: the default tenant, and all that are configured.</summary>
    private IEnumerable<int> Tenants => settings.Tenants.Where(static t => !t.IsOthers).Select(static t => t.Policy.Id).Prepend(DefaultTenant).Distinct();

    private static string By(ConfiguredImage image) => image.Isolation == IsolationRuntime.Native ? string.Empty : $"run by {WireNames.Text(image.Isolation)}, ";

    private string Writable(ConfiguredImage image) => !image.Overlay ? "read-only but for /tmp"
        : runtime.Tasks.DescribeNode().Features.Contains("Overlay", StringComparer.Ordinal) ? "writable by an overlay"
        : "read-only but for /tmp (this host mounts no overlay for users: wayang doctor)";

    private void Succeed(string name, string identity)
    {
        lock (gate)
        {
            failures.Remove(name);
            images[name] = identity;
        }
    }
}
