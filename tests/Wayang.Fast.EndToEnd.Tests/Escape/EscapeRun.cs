using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Escape;

/// <summary>Runs attempts as tasks and says in a word or two what came of each.</summary>
internal sealed class EscapeRun(LiveNode node, EscapeMode mode)
{
    private const string Start = "cat > /tmp/escape && chmod 700 /tmp/escape && exec /tmp/escape ";

    private static readonly byte[] s_program = File.ReadAllBytes(Path.Combine(Plugins.Stage, "..", "tests", "plugins", "escape_program"));

    public static byte[] Plugin { get; } = File.ReadAllBytes(Path.Combine(Plugins.Stage, "..", "tests", "plugins", "escape_plugin.so"));

    /// <summary>The program itself, outside of any sandbox of ours.</summary>
    public static string ProgramPath { get; } = Path.GetFullPath(Path.Combine(Plugins.Stage, "..", "tests", "plugins", "escape_program"));

    /// <param name="name">The attempt.</param>
    /// <param name="tenant">Whose task it is.</param>
    /// <param name="timeoutMs">Its time.</param>
    public async Task<(string Outcome, EndedTask End)> AttemptAsync(string name, int tenant, uint timeoutMs)
    {
        EndWaiter waiter;
        if (mode == EscapeMode.StandardCommand)
        {
            node.Begin(node.Command(tenant), s_program, out waiter, timeoutMs, LiveNode.Normal, new CommandLine(["/bin/sh", "-c", Start + name], [], WorkingDirectory: null));
        }
        else
        {
            await node.PutAsync("escape", Plugin, tenant);
            var target = await node.FunctionAsync("escape", "attempt", tenant, mode == EscapeMode.ComputeCall ? "compute" : "standard");
            node.Begin(target, Encoding.UTF8.GetBytes(name), out waiter, timeoutMs);
        }

        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.Equal(1, waiter.Told);
        return (Outcome(name, end), end);
    }

    private string Outcome(string name, EndedTask end) => end.Cause.Type switch
    {
        CauseType.SandboxViolation => $"violation {end.Cause.Detail}",
        CauseType.OutOfMemory => "out_of_memory",
        CauseType.Timeout => "timeout",
        CauseType.Signal => string.Create(CultureInfo.InvariantCulture, $"signal {end.Cause.Value}"),
        CauseType.Exit when end.StdoutDropped > 0 => "cut",
        CauseType.Exit when end.State == TaskState.Succeeded => Verdict(name, mode == EscapeMode.StandardCommand ? end.Out : end.Text),
        _ => end.ToString(),
    };

    private static string Verdict(string name, string output)
    {
        var line = output.TrimEnd('\n').Split('\n')[^1];
        return line.StartsWith(name + " ", StringComparison.Ordinal) ? line[(name.Length + 1)..] : $"no answer: {line[..Math.Min(line.Length, 80)]}";
    }
}
