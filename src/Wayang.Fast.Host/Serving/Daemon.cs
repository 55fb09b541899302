using System.Net;
using System.Runtime.InteropServices;
using Wayang.Fast.Cluster.Migration;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Health;
using Wayang.Fast.Gateway.MessagePackRpc;
using Wayang.Fast.Gateway.Metrics;
using Wayang.Fast.Gateway.Webhooks;
using Wayang.Fast.Host.Configuration;
using Wayang.Fast.Host.Monitoring;

namespace Wayang.Fast.Host.Serving;

/// <summary>The daemon: the runtime behind its front doors, under a keeper. Ends when the keeper says so or is gone.</summary>
internal static class Daemon
{
    private const int DefaultTenant = 0;
    private const int ExitDefect = 70;
    private static readonly TimeSpan LongestImages = TimeSpan.FromSeconds(30);

    /// <summary>For durable calls to save and yield; the keeper waits five seconds for all of the end.</summary>
    private static readonly TimeSpan LongestYield = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan ReadyPoll = TimeSpan.FromMilliseconds(2);

    public static async Task<int> RunAsync(ServeOptions options, CancellationToken cancellation)
    {
        var log = new StandardErrorLog();
        if (KeeperLink.InheritedDescriptor is not { } control)
        {
            log.Warn("the daemon runs under wayang-keeper only; start it with: wayang serve");
            return 2;
        }

        var end = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var stop = cancellation.Register(() => end.TrySetResult(0));

        // What a dying keeper sends, too: without this it would end us at once, and the socket would stay.
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal =>
        {
            signal.Cancel = true;
            end.TrySetResult(0);
        });
        var ledger = DaemonLedger.Open(options, log);
        using var runtime = new NodeRuntime(WithCheckpoints(options), log, defect =>
        {
            log.Warn($"defect: {defect}");
            end.TrySetResult(ExitDefect);
        }, ledger);
        GcSettings.Apply();
        runtime.Start();
        var configuration = new Reconfiguration(options, runtime, log);
        using var keeper = new KeeperLink(control, runtime.AttachSpawner, configuration.Receive, _ => end.TrySetResult(0));
        keeper.Start();
        if (!options.IsPrivate)
        {
            // Who stays pays once, beside the spawner's start and before anybody waits; a runtime of one caller is to be small and there at once.
            runtime.Prepare();
            GcSettings.Settle();
        }

        runtime.RestoreTasks();
        var pauses = new GcPauses(runtime.Incidents, GcPauses.IsLogged ? log : null);
        pauses.Start();
        using var collector = options.IsPrivate ? null : new CollectionThread(keeper.SendFirst);
        using var pacer = new CollectionPacer(
            TimeProvider.System, new CollectionSigns { Allocated = () => GC.GetTotalAllocatedBytes() - runtime.SlabBytesMade, Dispatched = () => runtime.Dispatched, Queued = () => runtime.Queued },
            collector is null ? static () => GC.Collect(0, GCCollectionMode.Forced, blocking: true) : collector.Collect);
        using var ranks = options.IsPrivate ? null : new ThreadRanks(TimeProvider.System, keeper.SendFirst, keeper.SendBeforeTasks);
        using var phases = GcPauses.IsLogged ? new PausePhases(log) : null;
        try
        {
            return await ServeAsync(options, runtime, ledger, configuration, pauses, keeper, log, end.Task);
        }
        finally
        {
            ledger?.Dispose(); // before what its receipts are told to
        }
    }

    private static async Task<int> ServeAsync(
        ServeOptions options, NodeRuntime runtime, ITaskLedger? ledger, Reconfiguration configuration, GcPauses pauses, KeeperLink keeper, StandardErrorLog log, Task<int> end)
    {
        RpcServer server;
        HttpDoors doors;
        await using var peers = await DaemonPeers.StartAsync(options, runtime, log);
        configuration.Peers = peers;
        await using var drain = options.IsPrivate ? null : new DrainDesk(runtime.Drainable, peers?.Moves, peers?.Membership, runtime.Events);
        using var audit = OpenAudit(options, runtime, log);
        configuration.Audit = audit;
        await using var webhooks = DaemonLedger.OpenWebhooks(options, ledger, runtime.Events.Stream, log);
        try
        {
            var tokens = OpenTokens(options, configuration, log);
            configuration.Certificates = options.Tls is { } tls ? new DoorCertificates(tls.Server, tls.ClientAuthority, options.Settings.Tls.RequireClient) : null;
            doors = await HttpDoors.StartAsync(
                options, runtime, webhooks, audit, configuration, tokens, peers, drain, peer => Authorize(peer, options, runtime), peer => ScopesOf(peer, options, configuration), () => WhyNotReady(runtime, configuration), log);
            server = StartRpc(options, runtime, webhooks, audit, configuration, tokens, peers, drain, log);
        }
        catch (IOException error)
        {
            log.Warn(error.Message.Contains(options.SocketPath, StringComparison.Ordinal)
                ? $"{error.Message}; the daemon's user (uid {RuntimeDirectories.EffectiveUid}) must be able to write the socket's directory, or give no socket"
                : error.Message);
            keeper.SendExit(1);
            return 1;
        }

        await using (server)
        await using (doors)
        {
            await using var learned = LearnedFile.Open(options.StateDirectory, "learned.bin", runtime.SerializeLearned, runtime.RestoreLearned, log);
            await using var rhythms = LearnedFile.Open(options.StateDirectory, "rhythms.bin", runtime.SerializeRhythms, runtime.RestoreRhythms, log);
            var metrics = new MetricsPage([runtime.Metrics, server, pauses, new ProcessMetrics(TimeProvider.System), .. webhooks is null ? [] : (IMetricSource[])[webhooks], .. audit is null ? [] : (IMetricSource[])[audit], .. peers is null ? [] : (IMetricSource[])[peers.Membership, peers.Moves, peers.Automatic], .. drain is null ? [] : (IMetricSource[])[drain]]);
            await using var health = options.HttpPort is { } port ? await StartHealthAsync(port, runtime, ledger, configuration, audit, metrics, log) : null;
            while (!runtime.IsReady && !end.IsCompleted)
            {
                await Task.WhenAny(end, Task.Delay(ReadyPoll));
            }

            if (!end.IsCompleted)
            {
                if (!options.IsPrivate)
                {
                    GcSettings.SettleYoung();
                }

                keeper.SendReady();
                await StartImagesAsync(options, configuration, log, end);
            }

            using var resuming = new CancellationTokenSource();
            var resumed = ResumeTasksAsync(runtime, log, resuming.Token);

            if (!options.IsPrivate)
            {
                log.Info($"serving at {options.SocketPath}{(server.TcpEndPoint is { } tcp ? $", at {(configuration.Certificates is null ? "tcp" : "tls")}://{tcp}" : string.Empty)}{doors.Places}{(health is null ? string.Empty : $", health at http://127.0.0.1:{health.Port}/readyz")}");
            }

            var code = await end;
            await resuming.CancelAsync();
            await resumed;
            await runtime.YieldDurableAsync(LongestYield);
            runtime.Stop();
            return code;
        }
    }

    /// <summary>Who reads "serving" finds the configured images; one that takes long, or fails, keeps nobody from the others.</summary>
    private static async Task StartImagesAsync(ServeOptions options, Reconfiguration configuration, StandardErrorLog log, Task end)
    {
        configuration.TellMemory(options.Runtime);
        var images = configuration.StartAsync();
        if (await Task.WhenAny(images, end, Task.Delay(LongestImages)) != images && !end.IsCompleted)
        {
            log.Warn($"the configured images are not all there after {LongestImages.TotalSeconds:0} s; serving the others meanwhile");
        }
    }

    /// <summary>The tokens of those who come over TCP, by whichever door; null where nobody may.</summary>
    private static TokenStore? OpenTokens(ServeOptions options, Reconfiguration configuration, StandardErrorLog log)
    {
        if (options.Settings is not { AsksForTokens: true, RpcTcp.TokensFile: { } file })
        {
            return options.Settings.Peers.Count > 0 ? new TokenStore([]) : null; // peers alone come over TCP
        }

        var tokens = TokenStore.Open(file, options.TokensText);
        configuration.Tokens = tokens;
        if (configuration.Audit is { } audit)
        {
            tokens.OnChange = change => audit.Note(change, file);
        }

        if (!tokens.FollowsFile)
        {
            log.Info($"{file} is not readable for the daemon's user (uid {RuntimeDirectories.EffectiveUid}): tokens made or revoked from now on count after 'wayang config reload' ('chown {RuntimeDirectories.EffectiveUid} {file}' lets it follow by itself)");
        }

        return tokens;
    }

    /// <summary>What was asked for is served, or the runtime does not start: a port in use, or tokens that cannot be read, end it with the reason.</summary>
    private static RpcServer StartRpc(ServeOptions options, NodeRuntime runtime, WebhookDesk? webhooks, AuditLog? audit, Reconfiguration configuration, TokenStore? tokens, DaemonPeers? peers, DrainDesk? drain, StandardErrorLog log)
    {
        RpcTcpOptions? tcp = null;
        if (options.RpcTcp.Address is { } address && tokens is not null)
        {
            tcp = new RpcTcpOptions { EndPoint = address, Tokens = tokens, AllowRemote = options.RpcTcp.AllowRemote, Certificates = configuration.Certificates, Peers = peers?.Certificates };
            if (tcp.Certificates is null && !IPAddress.IsLoopback(address.Address))
            {
                log.Warn($"{address} is open to other hosts, and nothing there is encrypted: let it be reached through a tunnel or a private network only");
            }
        }

        return RpcServer.Start(
            new RpcServerOptions
            {
                SocketPath = options.SocketPath, Authorize = peer => Authorize(peer, options, runtime), ScopesOf = peer => ScopesOf(peer, options, configuration), Tcp = tcp,
                OnWarning = log.Warn, CallsPerSecondPerIdentity = options.Settings.CallsPerSecond,
                MaxConnections = options.Settings.Connections, MaxConnectionsPerIdentity = options.Settings.ConnectionsPerCaller,
                Monitor = runtime.Monitor, Life = runtime.Life, Events = runtime.Events.Stream, Webhooks = webhooks, Membership = peers?.Membership, Moves = peers?.Moves, Drain = drain, Visits = runtime.Visits, Audit = audit, OnDefect = defect => log.Warn($"defect in a request: {defect}"),
            },
            runtime.Tasks);
    }

    /// <summary>A port in use does not keep tasks from running: it is told, and the node serves without it.</summary>
    private static async Task<HealthServer?> StartHealthAsync(int port, NodeRuntime runtime, ITaskLedger? ledger, Reconfiguration configuration, AuditLog? audit, MetricsPage metrics, StandardErrorLog log)
    {
        try
        {
            return await HealthServer.StartAsync(
                port, () => WhyNotReady(runtime, configuration), () => Remarks(configuration, ledger, audit), metrics);
        }
        catch (IOException error)
        {
            log.Warn($"no health endpoint: {error.Message} (set http_port in the configuration)");
            return null;
        }
    }

    /// <summary>What a ready node has to say nevertheless: a ledger that does not store keeps no other task from being served.</summary>
    /// <summary>What calls are written down into stands beside what the node keeps anyway.</summary>
    private static RuntimeOptions WithCheckpoints(ServeOptions options) =>
        options.StateDirectory.Length == 0 || options.IsPrivate ? options.Runtime : options.Runtime with { CheckpointDirectory = Path.Combine(options.StateDirectory, "checkpoints") };

    private static IReadOnlyList<string> Remarks(Reconfiguration configuration, ITaskLedger? ledger, AuditLog? audit) =>
    [
        .. configuration.Failures,
        .. ledger?.Status.Problem is { } problem ? [$"ledger: {problem}"] : (string[])[],
        .. audit?.Problem is { } unwritten ? [$"audit log: {unwritten}"] : (string[])[],
    ];

    /// <summary>What operators do is written where the node keeps what outlives it; a runtime of one caller has no operators.</summary>
    private static AuditLog? OpenAudit(ServeOptions options, NodeRuntime runtime, StandardErrorLog log) =>
        !options.IsPrivate && options.Settings.Audit.In(options.StateDirectory) is { } where
            ? new AuditLog(where, TimeProvider.System, (type, severity, data) => runtime.Events.Post(type, severity, data), log.Warn) : null;

    /// <summary>Takes the durable tasks of earlier starts up again; what keeps one waiting keeps nobody else.</summary>
    private static async Task ResumeTasksAsync(NodeRuntime runtime, StandardErrorLog log, CancellationToken stop)
    {
        try
        {
            await Task.Run(() => runtime.ResumeTasksAsync(stop), stop);
        }
        catch (OperationCanceledException)
        {
            // The end: they wait for the next start.
        }
#pragma warning disable CA1031 // A defect here keeps durable tasks waiting; it must not end the node for all others.
        catch (Exception defect)
#pragma warning restore CA1031
        {
            log.Warn($"defect: durable tasks wait for the next start: {defect}");
        }
    }

    private static string? WhyNotReady(NodeRuntime runtime, Reconfiguration configuration) =>
        !runtime.IsReady ? "waiting for the spawner" : runtime.Drainable.RefusesWork ? "it is being drained, and takes no new work" : configuration.Waiting;

    /// <summary>Whom the configuration names, as that tenant; root, the starter, the group wayang, and ourselves as the default one.</summary>
    private static int? Authorize(PeerCredentials peer, ServeOptions options, NodeRuntime runtime) =>
        runtime.TenantOfUser(peer.UserId) is { } tenant ? tenant
        : peer.UserId == 0 || peer.UserId == options.StarterUid || peer.UserId == RuntimeDirectories.EffectiveUid || IsWayangGroup(peer) ? DefaultTenant : null;

    /// <summary>Root, the starter and ourselves may do everything; others what the configuration says of their tenant.</summary>
    private static OperationScopes ScopesOf(PeerCredentials peer, ServeOptions options, Reconfiguration configuration) =>
        peer.UserId == 0 || peer.UserId == options.StarterUid || peer.UserId == RuntimeDirectories.EffectiveUid
            ? OperationScopes.All : configuration.ScopesOfUser(peer.UserId);

    private static bool IsWayangGroup(PeerCredentials peer) => GroupIdOfWayang.Value is { } gid && (peer.GroupId == gid || peer.Groups.Contains(gid));

    private static readonly Lazy<uint?> GroupIdOfWayang = new(static () =>
    {
        const string groups = "/etc/group";
        foreach (var line in File.Exists(groups) ? File.ReadLines(groups) : [])
        {
            var fields = line.Split(':');
            if (fields.Length >= 3 && fields[0] == "wayang" && uint.TryParse(fields[2], out var gid))
            {
                return gid;
            }
        }

        return null;
    });
}
