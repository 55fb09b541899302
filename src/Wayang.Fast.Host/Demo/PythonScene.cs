using System.Diagnostics;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Host.Cli;

namespace Wayang.Fast.Host.Demo;

/// <param name="Report">What the Python tasks did; null where there are none.</param>
/// <param name="Missing">Why there are none: the runtime's own words, which name the remedy.</param>
internal sealed record PythonOutcome(LoadReport? Report, string? Missing);

/// <summary>
/// A small workflow over two languages: the C plugin counts the words of each file, and for each file a Python task weighs them
/// against all the others.
/// </summary>
internal sealed class PythonScene(WayangClient client, IReadOnlyList<CorpusFile> files, string textImage)
{
    private const int MostFiles = 600;
    private const int InFlight = 32;

    private static readonly DemoJob Keywords = new("call (Python) keywords", static _ => throw new UnreachableException(), static (_, _) => false);

    public async Task<PythonOutcome> RunAsync(string directory, CancellationToken cancellation)
    {
        ImageInfo image;
        try
        {
            var source = await InputReader.ReadFileAsync(Path.Combine(directory, "tfidf.py"), "a module of the demo: ./build.sh build installs it", cancellation);
            image = await client.PutImageAsync("python", source, new ImageNames { File = "tfidf.py" }, cancellation);
        }
        catch (WayangException refused) when (refused.Code == ErrorCode.ImageFailed && refused.Message.Contains("libpython", StringComparison.Ordinal))
        {
            return new PythonOutcome(null, refused.Message);
        }

        var counted = await CountAsync(cancellation);
        var documentsWith = WordWeights.DocumentsWith(counted.Select(static c => c.Counts));
        var report = new LoadReport();
        var clock = Stopwatch.StartNew();
        await ForEachAsync(counted, async one =>
        {
            var input = WordWeights.Input(one.Counts, documentsWith, counted.Count);
            try
            {
                var result = await client.RunAsync(TaskSpec.Call(image.Image, "keywords", input), cancellation: cancellation);
                var right = result.Succeeded && WordWeights.IsRight(result.Output.Span, one.Counts, documentsWith, counted.Count);
                report.Add(Keywords, one.File, result, right);
            }
            catch (WayangException error)
            {
                report.AddFailure(Keywords, one.File, error.Message);
            }
        });
        report.Elapsed = clock.Elapsed;
        return new PythonOutcome(report, null);
    }

    private async Task<List<(CorpusFile File, Dictionary<string, long> Counts)>> CountAsync(CancellationToken cancellation)
    {
        var counted = new List<(CorpusFile, Dictionary<string, long>)>();
        var gate = new Lock();
        await ForEachAsync([.. files.Take(MostFiles)], async file =>
        {
            var result = await client.RunAsync(TaskSpec.Call(textImage, "top", file.Content), cancellation: cancellation);
            var counts = WordWeights.Parse(result.Output.Span);
            lock (gate)
            {
                if (counts.Count > 0)
                {
                    counted.Add((file, counts));
                }
            }
        });
        return counted;
    }

    private static Task ForEachAsync<T>(List<T> items, Func<T, Task> handle)
    {
        var next = -1;
        return Task.WhenAll(Enumerable.Range(0, InFlight).Select(async _ =>
        {
            int index;
            while ((index = Interlocked.Increment(ref next)) < items.Count)
            {
                await handle(items[index]);
            }
        }));
    }
}
