using System.Diagnostics;

using Wayang.Fast.Client;

namespace Wayang.Fast.Host.Demo;

/// <summary>Sends the tasks, a bounded number at a time, and checks every answer.</summary>
internal sealed class Load(WayangClient client, IReadOnlyList<CorpusFile> files, IReadOnlyList<DemoJob> calls, IReadOnlyList<DemoJob> commands)
{
    // Deep enough that the queue's priorities have something to choose from.
    private const int InFlight = 64;

    // Each file is the input of two tasks.
    private const int TasksPerFile = 2;

    public int Total => files.Count * TasksPerFile;

    public async Task<LoadReport> RunAsync(Action<int> progress, CancellationToken cancellation)
    {
        var report = new LoadReport();
        var clock = Stopwatch.StartNew();
        var next = -1;
        var done = 0;
        await Task.WhenAll(Enumerable.Range(0, InFlight).Select(_ => WorkAsync()));
        report.Elapsed = clock.Elapsed;
        return report;

        async Task WorkAsync()
        {
            int index;
            while ((index = Interlocked.Increment(ref next)) < Total)
            {
                await RunOneAsync(client, JobOf(index), files[index / TasksPerFile], index, report, cancellation);
                progress(Interlocked.Increment(ref done));
            }
        }
    }

    /// <summary>Every file once as a call; then half of them as a command, the others as another call.</summary>
    public DemoJob JobOf(int index)
    {
        var file = index / TasksPerFile;
        return index % TasksPerFile == 1 && file % 2 == 0 ? commands[file / 2 % commands.Count] : calls[(file + index % TasksPerFile) % calls.Count];
    }

    public static async Task RunOneAsync(
        WayangClient client, DemoJob job, CorpusFile file, int turn, LoadReport report, CancellationToken cancellation)
    {
        try
        {
            var result = await client.RunAsync(job.TaskFor(file, turn), cancellation: cancellation);
            report.Add(job, file, result, job.IsRight(file, result));
        }
        catch (WayangException error)
        {
            report.AddFailure(job, file, error.Message);
        }
    }
}
