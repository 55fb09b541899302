using System.CommandLine;
using System.Globalization;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang status</c>: where a task stands; without an id, the node's counters.</summary>
internal static class StatusCommand
{
    private static readonly Argument<string?> Id = TaskArgument.Build(required: false);

    public static Command Build()
    {
        var command = new Command("status", "Tells where a task stands; without an id, the node's counters and latencies.")
        {
            Id,
        };
        DetailedHelp.Describe(
            command,
            """
            Examples:
              wayang status 01JD8Z0000ABCDEFGHJKMNPQRS
              wayang status --json
            """);
        command.SetAction(static async (result, cancellation) =>
        {
            var text = result.GetValue(Id);
            TaskId? id = text is null ? null : TaskArgument.Parse(text);
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                if (id is { } task)
                {
                    Print(await session.Client.GetAsync(task, cancellation), result.GetValue(ClientOptions.Json));
                }
                else
                {
                    Print(await session.Client.NodeStatsAsync(cancellation), result.GetValue(ClientOptions.Json));
                }
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static void Print(TaskInfo info, bool json)
    {
        if (json)
        {
            JsonText.Print(writer => JsonText.WriteInfo(writer, info));
            return;
        }

        var what = info.Kind == TaskKind.Call ? $"{info.Image}:{info.Function}" : "command";
        Line("task", info.Id.ToString());
        Line("what", what);
        Line("state", LifeText.State(info));
        if (info.Cause.Type != CauseType.None)
        {
            Line("cause", ResultPrinter.Describe(info.Cause));
        }

        if (info.Progress is { } progress)
        {
            var percent = progress.Percent is { } number ? string.Create(CultureInfo.InvariantCulture, $"{number} % ") : "";
            Line("progress", percent + progress.Text);
        }

        if (info.Limits is { } limits)
        {
            var asked = limits.Asked().Select(static l => string.Create(CultureInfo.InvariantCulture, $"{l.Name} {l.Value}"));
            var missing = info.LimitsNotEnforced.Count == 0 ? "" : $"; not enforced here: {string.Join(", ", info.LimitsNotEnforced)}";
            var place = info.DiskPlace.Length == 0 ? "" : $" (in {(info.DiskPlace == "disk" ? "a file system on the disk" : "its memory")})";
            Line("limits", string.Join(", ", asked) + place + missing);
        }

        if (info.Grants.Count > 0)
        {
            Line("granted", string.Join(", ", info.Grants));
        }

        Line("priority", string.Create(CultureInfo.InvariantCulture, $"{info.Priority} ({WireNames.Text(info.Class)})"));
        foreach (var (name, value) in LifeText.Lines(info.Life))
        {
            Line(name, value);
        }

        Line("submitted", info.Submitted.ToString("O", CultureInfo.InvariantCulture));
        Line("queued", Microseconds(info.QueueMicroseconds));
        Line("started in", Microseconds(info.StartMicroseconds));
        Line("ran", Microseconds(info.RunMicroseconds));
        if (info.State >= TaskState.Succeeded || info.CpuMicroseconds > 0)
        {
            Line("cpu", info.CpuMicroseconds > 0 ? Microseconds((long)info.CpuMicroseconds) : "not measured");
        }

        if (info.PeakMemoryBytes > 0)
        {
            Line("peak", string.Create(CultureInfo.InvariantCulture, $"{info.PeakMemoryBytes} bytes of memory"));
        }
    }

    private static void Print(IReadOnlyDictionary<string, long> values, bool json)
    {
        if (json)
        {
            JsonText.Print(writer => JsonText.WriteNumbers(writer, "values", values));
            return;
        }

        var width = values.Count == 0 ? 0 : values.Keys.Max(static k => k.Length);
        foreach (var (name, value) in values.OrderBy(static p => p.Key, StringComparer.Ordinal))
        {
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name.PadRight(width)}  {value}"));
        }
    }

    private static string Microseconds(long value) => string.Create(CultureInfo.InvariantCulture, $"{value} us");

    private static void Line(string name, string value) => Console.Out.WriteLine($"{name,-10}  {value}");
}
