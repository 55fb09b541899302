using System.Globalization;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary>Prints how a task ended, each stream to its own, and says the exit code.</summary>
internal static class ResultPrinter
{
    public static async Task<int> PrintAsync(TaskResult result, bool json)
    {
        if (json)
        {
            JsonText.Print(writer => JsonText.WriteResult(writer, result));
            return ExitCodes.Of(result.State, result.Cause);
        }

        await WriteAsync(Console.OpenStandardOutput(), "standard output", result.Stdout);
        await WriteAsync(Console.OpenStandardOutput(), "standard output", result.Output);
        await WriteAsync(Console.OpenStandardError(), "standard error", result.Stderr);
        await WriteAsync(Console.OpenStandardError(), "standard error", LogText.Lines(result.Log.Span));
        TellCut("stdout", result.Stdout.Length, result.StdoutDropped);
        TellCut("stderr", result.Stderr.Length, result.StderrDropped);
        TellCut("log", result.Log.Length, result.LogDropped);
        if (result.Artifacts is { } artifacts)
        {
            ArtifactFiles.Tell(artifacts);
        }

        // A command that exits on its own has spoken for itself; every other end is told.
        if (result.Cause.Type != CauseType.Exit && result.State != TaskState.Succeeded)
        {
            if (result.Cause.Traceback is { } traceback)
            {
                await Console.Error.WriteAsync(traceback.EndsWith('\n') ? traceback : traceback + '\n');
            }

            await Console.Error.WriteLineAsync($"wayang: task {result.Id} {WireNames.Text(result.State)}: {Describe(result.Cause)}");
        }

        return ExitCodes.Of(result.State, result.Cause);
    }

    /// <summary>The cause in one phrase, its wire name first.</summary>
    public static string Describe(TaskCause cause)
    {
        var name = WireNames.Text(cause.Type);
        var value = cause.Type is CauseType.Exit or CauseType.Signal
            ? string.Create(CultureInfo.InvariantCulture, $"({cause.Value})")
            : "";
        return cause.Detail is null ? name + value : $"{name}{value}: {cause.Detail}";
    }

    internal static void TellCut(string name, long kept, long dropped)
    {
        if (dropped > 0)
        {
            Console.Error.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"wayang: {name} was cut after {kept} bytes; {dropped} more were dropped (limits.stream_bytes)"));
        }
    }

    private static async Task WriteAsync(Stream stream, string name, ReadOnlyMemory<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return;
        }

        await using (stream)
        {
            try
            {
                await stream.WriteAsync(bytes);
                await stream.FlushAsync();
            }
            catch (IOException error)
            {
                throw new CommandException(
                    $"{name} took not all of the task's {bytes.Length} bytes: {error.Message}",
                    "The task itself ended. Make room where the output goes, and run it again.");
            }
        }
    }
}
