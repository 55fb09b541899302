using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>
/// Calls of 25 kinds (tests/jobs), written into files and continued from them at random instants of a running node: the same eight bytes as of one that was left alone, one end. Five
/// moves a kind, 200 with WAYANG_TEST_LONG=1, or as many as WAYANG_JOB_MOVES says; WAYANG_SEED sets the dice.
/// </summary>
[Trait("Promise", "PS4")]
[Trait("Promise", "RA4")]
public sealed class CheckpointJobsTests(ITestOutputHelper output) : CheckpointFixture
{
    private static readonly bool s_numpy = Directory.Exists("/usr/lib/python3/dist-packages/numpy");
    private static readonly string[] s_preload = ["json", "re", "math", "hashlib", "decimal", "zlib", "pickle", "dataclasses", "random"];

    private static readonly int s_moves =
        int.TryParse(Environment.GetEnvironmentVariable("WAYANG_JOB_MOVES"), NumberStyles.None, CultureInfo.InvariantCulture, out var moves) ? moves
        : Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1" ? 200 : 5;

    private static readonly int s_seed =
        int.TryParse(Environment.GetEnvironmentVariable("WAYANG_SEED"), NumberStyles.None, CultureInfo.InvariantCulture, out var seed) ? seed : Random.Shared.Next();

    /// <summary>Rounds that take some tens of milliseconds.</summary>
    private static readonly (string Function, int Rounds)[] s_native =
    [
        ("chain", 400_000), ("bodies", 120_000), ("recursion", 40), ("churn", 20_000), ("vectors", 1_500_000), ("extended", 1_500_000), ("thread_local", 3_000_000),
        ("heap", 3_000_000), ("sleeps", 40), ("mappings", 20_000), ("faults", 40_000), ("speaks", 800),
    ];

    private static readonly (string Function, int Rounds)[] s_python =
    [
        ("bigint", 3_000), ("churn", 50_000), ("generators", 250_000), ("exceptions", 4_000), ("decimals", 12_000), ("regex", 120), ("hashes", 100_000), ("bodies", 12_000),
        ("texts", 3_000), ("classes", 150), ("drawn", 100_000), ("recursion", 500),
    ];

    public static TheoryData<string, string, int> Jobs =>
    [
        .. s_native.Select(static j => new TheoryDataRow<string, string, int>("c", j.Function, j.Rounds)),
        .. s_python.Select(static j => new TheoryDataRow<string, string, int>("python", j.Function, j.Rounds)),
        new TheoryDataRow<string, string, int>("numpy", "arrays", 300),
    ];

    [Theory]
    [MemberData(nameof(Jobs))]
    public async Task A_job_that_is_moved_at_random_instants_answers_as_one_that_was_left_alone(string kind, string function, int rounds)
    {
        Assert.SkipUnless(kind != "numpy" || s_numpy, "this host has no numpy (python3-numpy)");
        using var node = await StartAsync(bare: true);
        var target = await JobAsync(node, kind, function);
        var alone = await node.Submit(target, Input(rounds)).WaitAsync();
        Assert.True(alone.State == TaskState.Succeeded, alone.Cause.ToString());
        var random = new Random(s_seed);
        var (moved, refused, runs, why) = (0, 0, 0, string.Empty);
        for (; moved < s_moves; runs++)
        {
            Assert.True(runs < 80 * s_moves, $"{moved} moves in {runs} runs; last refusal: {why}");
            var call = node.Submit(target, Input(rounds));
            await BeginsAsync(node, call);
            for (var move = 0; move < 3 && !call.HasEnded; move++)
            {
                await Task.Delay(TimeSpan.FromMicroseconds(random.Next(15_000)), TestContext.Current.CancellationToken);
                if (await CheckpointAsync(node, call) is { } refusal)
                {
                    (refused, why) = (refused + 1, refusal.Message);
                    continue;
                }

                moved++;
                Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
                await TestNode.UntilAsync(() => call.HasEnded || node.StateOf(call) == TaskState.Running, () => Describe(node, call));
                Assert.True(call.HasEnded || FileOf(node, call)?.Failure is null, Describe(node, call));
            }

            await call.WaitAsync();
            Assert.True((call.State, call.Times) == (TaskState.Succeeded, 1), $"seed {s_seed}: {call.State} {call.Cause}, told {call.Times} times");
            Assert.True(alone.Output.AsSpan().SequenceEqual(call.Output), $"seed {s_seed}: {Convert.ToHexString(call.Output)} instead of {Convert.ToHexString(alone.Output)}");
        }

        output.WriteLine($"seed {s_seed}: {moved} moves in {runs} runs, {refused} refused or too late ({why})");
        await AssertCleanAsync(node);
    }

    private static async Task<CallTarget> JobAsync(TestNode node, string kind, string function)
    {
        await TestNode.UntilAsync(() => node.Runtime.IsReady);
        var folder = Path.Combine(Installation.Root, "tests", "jobs");
        var upload = kind switch
        {
            "c" => new ImageUpload("c", await ReadAsync(Path.Combine(Path.GetDirectoryName(Installation.TestPlugin)!, "migrate_jobs.so")), "jobs", 0),
            "python" => new ImageUpload("python", await ReadAsync(Path.Combine(folder, "jobs.py")), "jobs", 0) { FileName = "jobs.py", Preload = s_preload },
            _ => new ImageUpload("python", await ReadAsync(Path.Combine(folder, "jobs_numpy.py")), "jobs", 0) { FileName = "jobs_numpy.py", Preload = ["hashlib", "numpy"] },
        };
        var (image, error) = await node.Tasks.PutImageAsync(upload, CancellationToken.None).WaitAsync(TestNode.Patience);
        Assert.True(image is not null, error?.Message);
        Assert.Null(node.Tasks.Resolve(new TargetRequest { Kind = TaskKind.Call, Image = "jobs"u8, Function = Encoding.UTF8.GetBytes(function) }, out var target));
        return target!;
    }

    private static Task<byte[]> ReadAsync(string path) => File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken);
}
