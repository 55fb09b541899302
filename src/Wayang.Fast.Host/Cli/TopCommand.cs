using System.CommandLine;
using System.Text;
using System.Text.Json;

using Microsoft.Win32.SafeHandles;

using Wayang.Fast.Host.Top;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang top</c>: what a node does, live; plain lines where there is no terminal.</summary>
internal static class TopCommand
{
    private static readonly Option<bool> Once = new("--once") { Description = "Print one picture and leave." };

    private static readonly Option<double> Interval = new("--interval")
    {
        Description = "Seconds between two looks (0.1 to 3600).", HelpName = "SECONDS", DefaultValueFactory = static _ => 1,
    };

    public static Command Build()
    {
        var command = new Command("top", "Shows live what the node does: tasks, classes, pools, workers, rates.") { Once, Interval };
        Interval.Validators.Add(static result =>
        {
            if (result.GetValueOrDefault<double>() is not (>= 0.1 and <= 3600))
            {
                result.AddError("--interval is 0.1 to 3600 seconds");
            }
        });
        DetailedHelp.Describe(
            command,
            """
            Keys: q quits, s changes the order of the tasks (longest, class, name), r reverses it.
            Without a terminal it prints a line at each look; with --json an object.

            Examples:
              wayang top
              wayang top --once
              ssh -t NODE wayang top
            """);
        command.SetAction(static async (result, cancellation) =>
        {
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                var interval = TimeSpan.FromSeconds(result.GetValue(Interval));
                var json = result.GetValue(ClientOptions.Json);
                if (result.GetValue(Once))
                {
                    await PrintOnceAsync(session, json, cancellation);
                }
                else if (json || !HasTerminal())
                {
                    await PrintLinesAsync(session, interval, json, cancellation);
                }
                else
                {
                    await new TopLoop(session.Client, interval).RunAsync(cancellation);
                }
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static bool HasTerminal() =>
        !Console.IsInputRedirected && !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");

    private static async Task PrintOnceAsync(RuntimeSession session, bool json, CancellationToken cancellation)
    {
        // Two looks: rates need a moment between them.
        var before = await TopSample.TakeAsync(session.Client, cancellation);
        await Task.Delay(TimeSpan.FromMilliseconds(500), cancellation);
        var now = await TopSample.TakeAsync(session.Client, cancellation);
        if (json)
        {
            JsonText.Print(writer => Write(writer, now, before));
            return;
        }

        foreach (var line in TopView.Draw(now, before, TopOrder.Longest, reverse: false, width: 400, int.MaxValue))
        {
            Console.Out.WriteLine(line);
        }
    }

    private static async Task PrintLinesAsync(RuntimeSession session, TimeSpan interval, bool json, CancellationToken cancellation)
    {
        // Not the console's stream: that one goes on in silence when its reader has left.
        using var output = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write);
        for (TopSample? before = null; ; await Task.Delay(interval, cancellation))
        {
            var now = await TopSample.TakeAsync(session.Client, cancellation);
            var line = json ? JsonText.Line(writer => Write(writer, now, before)) : TopView.Line(now, before);
            try
            {
                await output.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), cancellation);
                await output.FlushAsync(cancellation);
            }
            catch (IOException)
            {
                return; // whoever read has seen enough
            }

            before = now;
        }
    }

    private static void Write(Utf8JsonWriter writer, TopSample now, TopSample? before)
    {
        writer.WriteString("at", now.At);
        writer.WriteString("node", now.Node.Node);
        writer.WriteNumber("running", now.Busy);
        writer.WriteNumber("ended", now.Ended);
        writer.WriteNumber("ends_per_s", Math.Round(now.Rate(before, static s => s.Ended), 1));
        JsonText.WriteNumbers(writer, "values", now.Values);
        JsonText.WritePools(writer, now.Pools);
        JsonText.WriteTenants(writer, now.Tenants);
        JsonText.WriteWorkers(writer, now.Workers);
        writer.WriteStartArray("tasks");
        foreach (var task in now.Tasks)
        {
            writer.WriteStartObject();
            JsonText.WriteInfo(writer, task);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        JsonText.WriteIncidents(writer, now.Incidents);
    }
}
