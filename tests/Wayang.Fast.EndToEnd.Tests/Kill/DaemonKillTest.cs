using System.Diagnostics;
using System.Runtime.Versioning;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Kill;

/// <summary>Kills daemons under load, whose keeper starts another one on the same ledger.</summary>
[SupportedOSPlatform("linux")]
public abstract class DaemonKillTest : ServeTest
{
    private const string DaemonUid = "1900000000"; // as root; else the daemon is who starts it

    /// <summary>Where the daemons keep what they remember; removed by who passed.</summary>
    protected string State { get; } = Directory.CreateTempSubdirectory("wayang-state-").FullName;

    protected Task GiveStateToDaemonAsync() => GiveToDaemonAsync(State);

    /// <summary>A directory with all that is in it.</summary>
    protected static async Task GiveToDaemonAsync(string directory)
    {
        if (Installation.IsRoot)
        {
            using var chown = Process.Start("chown", ["-R", DaemonUid, directory]);
            await chown.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Kills the daemon while clients load it, and returns when another one lives.</summary>
    /// <param name="serve">The runtime.</param>
    /// <param name="clients">How many.</param>
    /// <param name="moment">When, after the first call was answered: the test's input.</param>
    /// <param name="call">One call, or a few, of a client with that number; then the next, until the daemon is gone.</param>
    private protected async Task KillUnderLoadAsync(Orphanage serve, int clients, TimeSpan moment, Func<WayangClient, int, Task> call)
    {
        var connected = new List<WayangClient>();
        for (var i = 0; i < clients; i++)
        {
            connected.Add(await ConnectAsync(serve)); // before the kill: one that came after it would load the next daemon
        }

        var daemon = DaemonOf(serve);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var killed = new CancellationTokenSource();
        var load = connected.Select((client, i) => LoadAsync(client, i, call, begun, killed.Token)).ToArray();
        if (await Task.WhenAny(begun.Task, Task.Delay(Eventually.Patience, TestContext.Current.CancellationToken)) != begun.Task)
        {
            Assert.Fail($"no call was answered within {Eventually.Patience}; the daemon's log ends:\n{LogOf(serve)}");
        }

        await Task.Delay(moment, TestContext.Current.CancellationToken);
        Signals.Kill(daemon);
        await killed.CancelAsync(); // one that had no call under way is not told, and would go on with the next daemon
        await Task.WhenAll(load);
        await AwaitNextAsync(serve, daemon);
    }

    /// <summary>Another daemon lives than the one that was killed.</summary>
    private protected static Task AwaitNextAsync(Orphanage serve, int daemon) => Eventually.TrueAsync("the keeper starts another daemon", () => serve.Processes().Exists(p =>
        p.Pid != daemon && p.CommandLine.Contains("serve --daemon", StringComparison.Ordinal) && !p.CommandLine.Contains("wayang-keeper", StringComparison.Ordinal)));

    /// <summary>The last lines that the runtime wrote, for whoever looks for what went wrong.</summary>
    private protected static string LogOf(Orphanage serve) => string.Join('\n', serve.Log.Split('\n').TakeLast(40));

    private static async Task LoadAsync(WayangClient connected, int which, Func<WayangClient, int, Task> call, TaskCompletionSource begun, CancellationToken killed)
    {
        await using var client = connected;
        try
        {
            while (!killed.IsCancellationRequested)
            {
                await call(client, which);
                begun.TrySetResult();
            }
        }
        catch (WayangException gone) when (gone.Code is ErrorCode.NodeLost or ErrorCode.Unavailable)
        {
            // Killed.
        }
    }
}
