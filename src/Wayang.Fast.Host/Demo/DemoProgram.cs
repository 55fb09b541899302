using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Host.Cli;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Demo;

/// <summary>Everything that the demo found out.</summary>
internal sealed record DemoOutcome(
    int Files,
    LoadReport Load,
    PythonOutcome Python,
    IReadOnlyDictionary<string, long> Statistics,
    IReadOnlyList<SandboxFacts> Sandboxes,
    IReadOnlyList<HostileOutcome> Hostile,
    LoadReport Beside)
{
    /// <summary>Every answer right, every sandbox as promised, every hostile task contained.</summary>
    public bool Passed => Load.Wrong == 0 && Python.Report is null or { Wrong: 0, Done: > 0 } && Beside.Wrong == 0 && Beside.Done > 0
        && Sandboxes.Count > 0 && Sandboxes.All(static s => s.Holds) && Hostile.All(static h => h.Contained);
}

/// <summary>The demo from the first file to the verdict.</summary>
internal static class DemoProgram
{
    private const int WantedFiles = 2_600;

    // Two tasks a file: fewer files would be fewer than 5,000 tasks.
    private const int FewestFiles = 2_500;

    // The command under whose name a live worker is looked for.
    private const string LiveCommand = "sleep";

    // node.stats names the processes of the first live workers so.
    internal const string WorkerPid = "worker_pid_";

    public static async Task<int> RunAsync(RuntimeSession session, bool json, CancellationToken cancellation)
    {
        // With --json, standard output belongs to the object alone.
        var human = json ? Console.Error : Console.Out;
        var inPlace = !(json ? Console.IsErrorRedirected : Console.IsOutputRedirected);
        var files = Corpus.Collect(WantedFiles, cancellation);
        if (files.Count < FewestFiles)
        {
            throw new CommandException(
                $"only {files.Count} usable files below /usr and /etc; the demo needs {FewestFiles}",
                "Install some documentation, for example: apt-get install perl-modules libc6-dev");
        }

        var directory = Installation.Find().DemoDirectory;
        var text = await PutAsync(session.Client, Path.Combine(directory, "text_plugin.so"), cancellation);
        var hostile = await PutAsync(session.Client, Path.Combine(directory, "hostile_plugin.so"), cancellation);
        var load = new Load(session.Client, files, DemoJob.Calls(text.Image), DemoJob.Commands);

        await human.WriteLineAsync($"{load.Total} tasks over {files.Count} real files, each in a sandboxed process, each answer checked:");
        var report = await load.RunAsync(new ProgressLine(human, "tasks", load.Total, inPlace).Show, cancellation);
        await human.WriteLineAsync("Now Python tasks over what the C plugin counted ...");
        var python = await new PythonScene(session.Client, files, text.Image).RunAsync(directory, cancellation);
        var sandboxes = await ReadSandboxesAsync(session, text.Image, cancellation);
        var statistics = await session.Client.NodeStatsAsync(cancellation);

        await human.WriteLineAsync("Now hostile tasks, with normal ones beside them ...");
        var scene = new HostileScene(session.Client, files, load);
        var outcomes = await scene.RunAsync(HostileCase.All(hostile.Image), cancellation);

        var outcome = new DemoOutcome(files.Count, report, python, statistics, sandboxes, outcomes, scene.Beside);
        if (json)
        {
            JsonText.Print(writer => DemoJson.Write(writer, outcome));
        }
        else
        {
            DemoTable.Write(human, outcome);
        }

        return outcome.Passed ? ExitCodes.Success : ExitCodes.FunctionError;
    }

    private static async Task<ImageInfo> PutAsync(WayangClient client, string path, CancellationToken cancellation)
    {
        var content = await InputReader.ReadFileAsync(path, "a plugin of the demo: ./build.sh build makes it", cancellation);
        return await client.PutImageAsync("c", content, cancellation: cancellation);
    }

    /// <summary>Looks at two live workers from outside: one that runs a command, one that serves calls.</summary>
    private static async Task<IReadOnlyList<SandboxFacts>> ReadSandboxesAsync(RuntimeSession session, string image, CancellationToken cancellation)
    {
        var id = await session.Client.SubmitAsync(TaskSpec.Command(LiveCommand, "60"), cancellation);
        try
        {
            // A call just answered: at least one call worker is warm.
            await session.Client.RunAsync(TaskSpec.Call(image, "count", "warm"u8.ToArray()), cancellation: cancellation);
            var all = await UntilAsync(
                () => SandboxFacts.FindBelow(session.KeeperProcessId),
                static facts => facts.Any(static f => IsCommand(f)),
                cancellation);
            var command = all.LastOrDefault(IsCommand);
            var statistics = await session.Client.NodeStatsAsync(cancellation);
            var worker = statistics.Where(static p => p.Key.StartsWith(WorkerPid, StringComparison.Ordinal))
                .Select(static p => SandboxFacts.Read((int)p.Value)).FirstOrDefault(static f => f is not null);
            return worker is null || command is null ? [] : [worker, command];
        }
        finally
        {
            await session.Client.CancelAsync(id, CancellationToken.None);
        }
    }

    private static bool IsCommand(SandboxFacts facts) => string.Equals(facts.Name, LiveCommand, StringComparison.Ordinal);

    /// <summary>Looks again until what is wanted is there; after a bounded number of looks takes what is.</summary>
    private static async Task<T> UntilAsync<T>(Func<T> look, Func<T, bool> isThere, CancellationToken cancellation)
    {
        const int looks = 100;
        var pause = TimeSpan.FromMilliseconds(20);
        var seen = look();
        for (var i = 1; i < looks && !isThere(seen); i++)
        {
            await Task.Delay(pause, cancellation);
            seen = look();
        }

        return seen;
    }
}
