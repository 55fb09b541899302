using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Supervision;

/// <summary>
/// Has the spawner compare each running worker with its profile, on demand and by the clock. The spawner looks, because the daemon
/// may not; it kills what is not what it has to be. One scan at a time: who asks meanwhile gets the answer of the next one.
/// Supervisor thread only, but for <see cref="Run"/>.
/// </summary>
internal sealed class SecurityScans(SpawnerLink link, LiveOptions options, IncidentLog incidents, ISupervisorLog log)
{
    /// <summary>The most that are kept of one scan; the spawner tells no more.</summary>
    private const int MaxFindings = 256;

    private readonly ConcurrentQueue<TaskCompletionSource<ScanReport?>> _asked = new();
    private readonly List<TaskCompletionSource<ScanReport?>> _waiting = [];
    private readonly List<ScanFinding> _findings = [];
    private bool _active;
    private long _last = Stopwatch.GetTimestamp();
    private long _done;

    /// <summary>Scans that came to their end.</summary>
    public long Done => Volatile.Read(ref _done);

    /// <summary>Asks for a scan and waits for its end; null when there is no spawner, or no answer in time. Any thread that may block.</summary>
    public ScanReport? Run(TimeSpan patience, Action nudge)
    {
        var answer = new TaskCompletionSource<ScanReport?>(TaskCreationOptions.RunContinuationsAsynchronously);
        _asked.Enqueue(answer);
        nudge();
        return answer.Task.Wait(patience) ? answer.Task.Result : null;
    }

    /// <summary>At each turn: begins one that somebody asked for, or that is due.</summary>
    public void OnTurn(long now)
    {
        var interval = options.Current.ScanIntervalSeconds;
        var due = interval > 0 && now - _last >= interval * Stopwatch.Frequency;
        if (_active || (_asked.IsEmpty && !due))
        {
            return;
        }

        while (_asked.TryDequeue(out var answer))
        {
            _waiting.Add(answer);
        }

        _last = now;
        _findings.Clear();
        _active = link.IsReady && link.SendScan();
        if (!_active)
        {
            Answer(null);
        }
    }

    public void OnFinding(in WorkerFinding finding, string pool)
    {
        if (!_active || _findings.Count >= MaxFindings)
        {
            return;
        }

        var where = string.Create(CultureInfo.InvariantCulture, $"worker {finding.Worker} (process {finding.ProcessId}{(pool.Length > 0 ? ", " : "")}{pool})");
        var remedy = finding.Severity == FindingSeverity.Critical
            ? "It was killed. If nobody on this host did that to it, take the image as hostile and report a way out of the sandbox."
            : "Look at the profile of that worker and at what the host mounts there.";
        _findings.Add(new ScanFinding(finding.Severity, where, finding.Text, remedy));
        incidents.Add(IncidentKind.ScanFinding, pool, $"{where}: {finding.Text}. {remedy}", critical: finding.Severity == FindingSeverity.Critical);
        log.Warn($"scan: {where}: {finding.Text}");
    }

    public void OnDone(int workers, int processes, int untold)
    {
        if (_active)
        {
            _active = false;
            Volatile.Write(ref _done, _done + 1);
            Answer(new ScanReport(workers, processes, untold, [.. _findings]));
        }
    }

    /// <summary>The spawner is gone: nobody answers.</summary>
    public void Lose()
    {
        _active = false;
        Answer(null);
    }

    private void Answer(ScanReport? report)
    {
        _waiting.ForEach(w => w.TrySetResult(report));
        _waiting.Clear();
    }
}
