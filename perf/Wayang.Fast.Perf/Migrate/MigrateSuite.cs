using System.Globalization;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Migrate;

/// <summary>
/// For how long a call stands still that moves between two daemons over loopback, and how much travels, beside what the machine takes to hand a megabyte from one program to another. By turns: moves there and back, then
/// the reference.
/// </summary>
internal sealed class MigrateSuite : Suite
{
    private const int Small = 1 << 20;
    private const int Large = 128 << 20;
    private const int Hot = 64 << 10;
    private const int Slack = 64 << 10;
    private const string Loop = "def loop(data, ctx):\n    h = 7\n    while not ctx.cancelled:\n        h = (h * 31 + 11) % 1000003\n    return str(h).encode()\n";
    private static readonly TimeSpan s_settle = TimeSpan.FromMilliseconds(500);

    public override string Name => "migrate";

    public override IReadOnlyList<Measurement> Run(SuiteContext context) => RunAsync(context).GetAwaiter().GetResult();

    private static async Task<IReadOnlyList<Measurement>> RunAsync(SuiteContext context)
    {
        context.Tell("calls that move between two daemons");
        var pair = await MovingPair.StartAsync(context);
        await using (pair)
        {
            await pair.PutAsync("c", await File.ReadAllBytesAsync(Path.Combine(context.References, "perf_plugin.so")), new ImageNames { Name = "hold" });
            await pair.PutAsync("python", System.Text.Encoding.ASCII.GetBytes(Loop), new ImageNames { Name = "loop", File = "loop.py" });
            var reference = context.PingPong("ref_unix_copy", context.Scale(40));
            var small = await MeasureAsync(context, pair, "hold", "hold", Input(Small, Hot), reference);
            context.Tell("the same with all of the 1 MB written all the time");
            var hot = await MeasureAsync(context, pair, "hold", "hold", Input(Small, Small), reference);
            context.Tell("the same with 128 MB, 64 KB of it hot");
            var large = await MeasureAsync(context, pair, "hold", "hold", Input(Large, Hot), reference);
            context.Tell("the same of a Python loop");
            var python = await MeasureAsync(context, pair, "loop", "loop", string.Empty, reference);
            var pause = small.Pauses.Value;
            return
            [
                Measurement.Of("migrate.pause.1mb", "us", Better.Lower, small.Pauses),
                Measurement.Of("migrate.pause.1mb.hot", "us", Better.Lower, hot.Pauses),
                Measurement.Of("migrate.pause.128mb", "us", Better.Lower, large.Pauses),
                new Measurement("migrate.delta", large.Bytes - Slack, "bytes", Large, (large.Bytes - Slack) / Large, Better.Lower, context.Rounds),
                new Measurement("python.migrate.pause", python.Pauses.Value, "us", pause, python.Pauses.Value / pause, Better.Lower, context.Rounds),
            ];
        }
    }

    private static async Task<(Rounds Pauses, double Bytes)> MeasureAsync(SuiteContext context, MovingPair pair, string image, string function, string input, Func<double> reference)
    {
        var id = await pair.BeginAsync(image, function, input, s_settle);
        await pair.RoundAsync(id); // warms up
        var (turns, bytes) = (new List<(double Value, double Limit)>(), new List<double>());
        for (var round = 0; round < context.Rounds; round++)
        {
            var (there, back) = await pair.RoundAsync(id);
            turns.Add((Rounds.Median([Microseconds(there), Microseconds(back)]), reference() / 1000));
            bytes.Add(there.Bytes);
        }

        await pair.EndAsync(id);
        return (Rounds.From(turns, Quantity.Time), Rounds.Median(bytes));
    }

    private static double Microseconds(TaskMoves moves) => moves.Pause.TotalMicroseconds;

    private static string Input(int touched, int hot) => string.Create(CultureInfo.InvariantCulture, $"{touched} {hot}");
}
