using System.Globalization;
using System.Security.Cryptography;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Fixture;

/// <summary>Who runs the runtime.</summary>
public enum Account
{
    Root,
    Unprivileged,
}

/// <summary>
/// A real runtime, keeper first, with a directory, an instance name and resource groups of its own; started as
/// <c>wayang serve</c> starts it. It can be started again in the same place after its keeper has ended.
/// </summary>
internal sealed class RuntimeUnderTest : IAsyncDisposable
{
    private const string UnprivilegedId = "65534";

    // Joins the groups first, so that all that follows is in them.
    private const string JoinAndExecute = "for g in $TEST_GROUPS; do echo $$ > $g/cgroup.procs || exit 99; done; unset TEST_GROUPS; exec \"$@\"";

    private readonly Account _account;
    private readonly string? _configuration;
    private readonly string _instance = "test-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6));
    private readonly string _scratch;
    private Orphanage? _orphanage;

    private readonly string _wayang;
    private readonly IReadOnlyDictionary<string, string?> _environment;

    private RuntimeUnderTest(Account account, string? configuration, string wayang, IReadOnlyDictionary<string, string?> environment)
    {
        (_wayang, _environment) = (wayang, environment);
        _account = account;
        _configuration = configuration;
        _scratch = Directory.CreateTempSubdirectory("wayang-kill-").FullName;

        // Not in /tmp, where a client talks to its own user's runtime only: as root we talk to an unprivileged one.
        RuntimeDirectory = "/var/tmp/" + _instance;
        Groups = new ResourceGroups(_instance);
    }

    public string RuntimeDirectory { get; }

    public string SocketPath => Path.Combine(RuntimeDirectory, "wayang.sock");

    // Where the daemon's own user can read it.
    private string ConfigurationPath => RuntimeDirectory + ".yaml";

    public ResourceGroups Groups { get; }

    public Orphanage Processes => _orphanage ?? throw new InvalidOperationException("not started");

    public int Keeper => Processes.ProgramPid;

    public int Spawner => Children().Find(IsSpawner)?.Pid ?? throw new InvalidOperationException("there is no spawner");

    public int Daemon => Children().Find(IsDaemon)?.Pid ?? throw new InvalidOperationException("there is no daemon");

    /// <summary>Skips the test, with the reason, where this account cannot be had.</summary>
    /// <param name="account">Who runs it.</param>
    /// <param name="configuration">Text of a configuration file; null: a private runtime, which opens no port.</param>
    /// <param name="wayang">Another copy of the program; null: the one that was built.</param>
    /// <param name="environment">Of the runtime, beside what it always gets.</param>
    public static async Task<RuntimeUnderTest> StartAsync(
        Account account, string? configuration = null, string? wayang = null, IReadOnlyDictionary<string, string?>? environment = null)
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        Assert.SkipUnless(account == Account.Unprivileged || Installation.IsRoot, "needs root");

        // As root the unprivileged account is another user, who may not get into a clone of root's.
        Assert.SkipWhen(account == Account.Unprivileged && Installation.IsRoot && Installation.ClosedToOthers is not null, Installation.ClosedToOthers ?? "");
        var runtime = new RuntimeUnderTest(account, configuration, wayang ?? Installation.Wayang, environment ?? new Dictionary<string, string?>(StringComparer.Ordinal));
        try
        {
            await runtime.StartAsync();
            return runtime;
        }
        catch
        {
            await runtime.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the keeper; returns when the daemon answers.</summary>
    public async Task StartAsync()
    {
        if (_orphanage is not null)
        {
            await _orphanage.DisposeAsync();
        }

        if (_configuration is not null)
        {
            await File.WriteAllTextAsync(ConfigurationPath, _configuration);
        }

        _orphanage = await Orphanage.StartAsync(Path.Combine(_scratch, "log"), Command(), new Dictionary<string, string?>(_environment, StringComparer.Ordinal)
        {
            ["TEST_GROUPS"] = _account == Account.Root ? string.Join(' ', Groups.Paths) : "",
        });
        await using var client = await ConnectAsync();
    }

    /// <summary>A client of the daemon of now, which may still be starting.</summary>
    public async Task<WayangClient> ConnectAsync() => await Eventually.ValueAsync($"the runtime answers at {SocketPath}:\n{Processes.Log}", async () =>
    {
        try
        {
            Assert.False(ProcessTable.Below(Environment.ProcessId).Find(p => p.Pid == Keeper) is null or { IsZombie: true }, $"the keeper ended:\n{Processes.Log}");
            return File.Exists(SocketPath) ? await WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = SocketPath }) : null;
        }
        catch (WayangException refused) when (refused.Code == ErrorCode.Unavailable)
        {
            return null;
        }
    });

    public List<ProcessEntry> Holders() => [.. BelowKeeper().Where(static p => p.Name == "wayang-holder")];

    /// <summary>Zygotes share their title with the workers forked from them; the namespaces tell them apart.</summary>
    public List<ProcessEntry> Zygotes() => [.. BelowKeeper().Where(static p => IsOfImage(p) && p.NamespaceDepth == 2 && !p.IsZombie)];

    public List<ProcessEntry> Workers() => [.. BelowKeeper().Where(static p => IsOfImage(p) && p.NamespaceDepth == 3 && !p.IsZombie)];

    /// <summary>Everything below the keeper but the daemon and the spawner.</summary>
    public List<ProcessEntry> BelowSpawner() => [.. BelowKeeper().Where(static p => !IsSpawner(p) && !IsDaemon(p))];

    public List<ProcessEntry> BelowKeeper() => ProcessTable.Below(Keeper);

    public async ValueTask DisposeAsync()
    {
        if (_orphanage is not null)
        {
            await _orphanage.DisposeAsync();
        }

        Groups.Dispose();
        File.Delete(ConfigurationPath);
        foreach (var directory in (string[])[RuntimeDirectory, _scratch])
        {
            if (Directory.Exists(directory))
            {
                Directory.Delete(directory, recursive: true);
            }
        }
    }

    private static bool IsOfImage(ProcessEntry process) => process.CommandLine.StartsWith("wayang-zygote: ", StringComparison.Ordinal);

    private static bool IsSpawner(ProcessEntry process) => process.Name == "wayang-spawner";

    private static bool IsDaemon(ProcessEntry process) => process.CommandLine.Contains("serve --daemon", StringComparison.Ordinal);

    private List<ProcessEntry> Children() => [.. BelowKeeper().Where(p => p.ParentPid == Keeper && !p.IsZombie)];

    private List<string> Command()
    {
        List<string> words = ["/bin/sh", "-c", JoinAndExecute, "sh"];
        if (_account == Account.Unprivileged && Installation.IsRoot)
        {
            words.AddRange(["setpriv", "--reuid", UnprivilegedId, "--regid", UnprivilegedId, "--clear-groups"]);
        }

        words.AddRange([
            Installation.Keeper, "--instance", _instance, "--runtime-dir", RuntimeDirectory, "--native", Installation.NativeDirectory, "--",
            _wayang, "serve", "--daemon", "--starter-uid", "0".ToString(CultureInfo.InvariantCulture)]);
        words.AddRange(_configuration is null ? ["--private"] : ["--config", ConfigurationPath]);
        return words;
    }
}
