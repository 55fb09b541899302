using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Demo;

/// <summary>How a hostile task ended, and what went on beside it.</summary>
internal sealed record HostileOutcome(HostileCase Case, string End, bool Contained, long Beside);

/// <summary>Hostile tasks one after the other, while normal ones run on and are checked.</summary>
internal sealed class HostileScene(WayangClient client, IReadOnlyList<CorpusFile> files, Load load)
{
    private const int NormalInFlight = 4;

    // Far beyond every timeout given: a case that has no end by then was not contained.
    private static readonly TimeSpan LongestCase = TimeSpan.FromSeconds(30);

    public LoadReport Beside { get; } = new();

    public async Task<IReadOnlyList<HostileOutcome>> RunAsync(IReadOnlyList<HostileCase> cases, CancellationToken cancellation)
    {
        var outcomes = new List<HostileOutcome>();
        using var over = new CancellationTokenSource();
        var next = -1;
        var normal = Task.WhenAll(Enumerable.Range(0, NormalInFlight).Select(_ => WorkAsync()));
        try
        {
            foreach (var one in cases)
            {
                outcomes.Add(await RunCaseAsync(one, cancellation));
            }
        }
        finally
        {
            await over.CancelAsync();
            await normal;
        }

        return outcomes;

        async Task WorkAsync()
        {
            // Tasks that were begun are finished: each one of them counts.
            while (!over.IsCancellationRequested)
            {
                var index = Interlocked.Increment(ref next) % load.Total;
                await Load.RunOneAsync(client, load.JobOf(index), files[index * files.Count / load.Total], index, Beside, cancellation);
            }
        }
    }

    private async Task<HostileOutcome> RunCaseAsync(HostileCase one, CancellationToken cancellation)
    {
        var before = Beside.Done;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(LongestCase);
        string end;
        var contained = false;
        try
        {
            var result = await client.RunAsync(one.Spec, cancellation: patience.Token);
            end = $"{WireNames.Text(result.State)}: {Cli.ResultPrinter.Describe(result.Cause)}";
            contained = one.IsContained(result);
        }
        catch (WayangException error)
        {
            end = error.Message;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            end = $"no end within {LongestCase.TotalSeconds:0} s";
        }

        return new HostileOutcome(one, end, contained, Beside.Done - before);
    }
}
