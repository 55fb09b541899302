using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Demo;

/// <summary>What a kind of task did.</summary>
internal sealed class KindReport
{
    public long Done { get; set; }

    public Quantiles Queue { get; } = new();

    public Quantiles Start { get; } = new();

    public Quantiles Run { get; } = new();

    public void Add(TaskResult result)
    {
        Done++;
        Queue.Add(result.QueueMicroseconds);
        Start.Add(result.StartMicroseconds);
        Run.Add(result.RunMicroseconds);
    }
}

/// <summary>What the load did: tasks per job, latencies per kind, and the first few answers that were wrong.</summary>
internal sealed class LoadReport
{
    private const int ShownMistakes = 10;

    private readonly Lock gate = new();

    public SortedDictionary<string, long> PerJob { get; } = new(StringComparer.Ordinal);

    public Dictionary<TaskKind, KindReport> PerKind { get; } = new() { [TaskKind.Call] = new(), [TaskKind.Exec] = new() };

    public List<string> Mistakes { get; } = [];

    public long Wrong { get; private set; }

    public long Bytes { get; private set; }

    public TimeSpan Elapsed { get; set; }

    public long Done => PerKind.Values.Sum(static k => k.Done);

    public void Add(DemoJob job, CorpusFile file, TaskResult result, bool right)
    {
        lock (gate)
        {
            PerJob[job.Name] = PerJob.GetValueOrDefault(job.Name) + 1;
            PerKind[job.Kind].Add(result);
            Bytes += file.Content.Length;
            if (!right)
            {
                AddMistakeLocked($"{job.Name} {file.Path}: {WireNames.Text(result.State)}, {Cli.ResultPrinter.Describe(result.Cause)}");
            }
        }
    }

    public void AddFailure(DemoJob job, CorpusFile file, string reason)
    {
        lock (gate)
        {
            AddMistakeLocked($"{job.Name} {file.Path}: {reason}");
        }
    }

    private void AddMistakeLocked(string text)
    {
        Wrong++;
        if (Mistakes.Count < ShownMistakes)
        {
            Mistakes.Add(text);
        }
    }
}
