using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Tests.Lifecycle;

/// <summary>An attempt that fails does not end the task while its terms want another; the task has one end, whatever comes between.</summary>
public class AttemptTests : IAttemptTimer
{
    private static readonly TaskCause Lost = new(CauseType.WorkerLost, 0, "gone");
    private static readonly TaskCause Exit = new(CauseType.Exit);
    private readonly ManualTime _time = new();
    private readonly TaskTable _table;
    private readonly TaskLifecycle _lifecycle;
    private readonly RecordingObserver _observer = new();
    private readonly List<(TaskId Id, long At)> _wakes = [];

    public AttemptTests()
    {
        _table = new TaskTable(new TaskTableOptions(8, 1), _time);
        _lifecycle = new TaskLifecycle(_table, new RetentionOptions(3, TimeSpan.FromSeconds(10), 1 << 20), _time) { AttemptTimer = this };
    }

    void IAttemptTimer.WakeAt(TaskId id, long timestamp) => _wakes.Add((id, timestamp));

    private static RetryTerms Retry(int attempts, uint? on = null) =>
        new(attempts, TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(250), 200, 0, on ?? RetryTerms.AllRetryable);

    private TaskRecord Admit(RetryTerms? retry, out TaskId id, DateTimeOffset? deadline = null)
    {
        Assert.True(_table.TryRent(out var record));
        record.Input.Set("in"u8);
        record.Terms = new TaskTerms { Retry = retry, Deadline = deadline };
        TaskLifecycle.Begin(record, record.Terms);
        id = _lifecycle.Admit(record, _observer, 5);
        return record;
    }

    private void Attempt(TaskRecord record, TaskState state, in TaskCause cause)
    {
        Assert.True(_lifecycle.TryStart(record));
        _lifecycle.Run(record);
        _time.Advance(TimeSpan.FromMilliseconds(7));
        Assert.True(_lifecycle.End(record, state, cause));
    }

    [Fact]
    [Trait("Promise", "TR4")]
    public void ATaskHasOneEndAfterItsLastAttempt()
    {
        var record = Admit(Retry(3), out var id);
        Attempt(record, TaskState.Failed, Lost);
        Assert.Equal(TaskState.Queued, record.State);
        Assert.Empty(_observer.Ends);
        Assert.False(_lifecycle.TryRequeue(Admit(Retry(2), out _))); // waits for its turn, not for a retry
        Assert.True(_lifecycle.TryRequeue(record));
        Assert.False(_lifecycle.TryRequeue(record));
        Attempt(record, TaskState.TimedOut, new TaskCause(CauseType.Timeout));
        Assert.True(_lifecycle.TryRequeue(record));
        Assert.Equal("in"u8, record.Input.Span);
        Attempt(record, TaskState.Failed, new TaskCause(CauseType.Exit, 3));
        Assert.Equal([(id, TaskState.Failed, CauseType.Exit, 5L)], _observer.Ends);
        var life = record.Life!.Facts();
        Assert.Equal((3, 3, null), (life.Attempt, life.MaxAttempts, life.RetryAt));
        Assert.Equal([(1, CauseType.WorkerLost, 7000L), (2, CauseType.Timeout, 7000L)], life.Attempts.Select(static a => (a.Attempt, a.Cause.Type, a.RunMicroseconds)));
        Assert.Equal(2, _lifecycle.Retries);
        Assert.Equal(0, record.Input.Length);
    }

    [Fact]
    public void PausesGrowToTheirBoundAndAreWaitedForByTheClock()
    {
        var record = Admit(Retry(9), out var id);
        var pauses = new List<double>();
        for (var i = 0; i < 4; i++)
        {
            Assert.True(_lifecycle.TryStart(record));
            var now = _time.GetTimestamp();
            Assert.True(_lifecycle.End(record, TaskState.Failed, Lost)); // before it ran
            Assert.Equal(id, _wakes[^1].Id);
            pauses.Add(_time.GetElapsedTime(now, _wakes[^1].At).TotalMilliseconds);
            Assert.NotNull(record.Life!.Facts().RetryAt);
            Assert.True(_lifecycle.TryRequeue(record));
        }

        Assert.Equal([100, 200, 250, 250], pauses);
        var jittered = Retry(2) with { JitterPercent = 50 };
        Assert.Equal((100, 75, 50), (jittered.PauseAfter(1, 0).TotalMilliseconds, jittered.PauseAfter(1, 0.5).TotalMilliseconds, jittered.PauseAfter(1, 1).TotalMilliseconds));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(-3)]
    public void ADeadlineIsAsFarAwayAsItWasWhoeverSetsTheClock(int hours)
    {
        var record = Admit(Retry(9), out _, _time.GetUtcNow().AddMilliseconds(250)); // room for two attempts of 7 ms and the pause of 100 between them
        _time.Set(TimeSpan.FromHours(hours));
        _lifecycle.Sweep(0); // notices it
        Attempt(record, TaskState.Failed, Lost);
        Assert.True(_lifecycle.TryRequeue(record));
        _time.Advance(TimeSpan.FromMilliseconds(100));
        Attempt(record, TaskState.Failed, Lost);
        Assert.Equal(TaskState.Failed, record.State);
        Assert.Single(_wakes);
    }

    [Theory]
    [InlineData(TaskState.Succeeded, CauseType.Exit)]
    [InlineData(TaskState.Failed, CauseType.Signal)] // not among the causes it names
    [InlineData(TaskState.Failed, CauseType.Shutdown)]
    [InlineData(TaskState.Cancelled, CauseType.Cancelled)]
    public void OtherEndsAreEnds(TaskState state, CauseType cause)
    {
        var record = Admit(Retry(5, RetryTerms.Bit(CauseType.WorkerLost)), out _);
        Attempt(record, state, new TaskCause(cause));
        Assert.Equal(state, record.State);
        Assert.Single(_observer.Ends);
        Assert.Empty(_wakes);
    }

    [Fact]
    public void ACancelledTaskIsNotTriedAgain()
    {
        var record = Admit(Retry(5), out _);
        record.CancelRequested = true;
        Attempt(record, TaskState.Failed, Lost);
        Assert.Equal(TaskState.Failed, record.State);

        record = Admit(Retry(5), out _);
        Attempt(record, TaskState.Failed, Lost);
        Assert.Equal(1, _lifecycle.AwaitingRetry);
        Assert.True(_lifecycle.TryEndQueued(record, TaskState.Cancelled, new TaskCause(CauseType.Cancelled)));
        Assert.False(_lifecycle.TryRequeue(record)); // its timer comes later
        Assert.Equal((0, 2), (_lifecycle.AwaitingRetry, _observer.Ends.Count));
    }

    [Fact]
    public void AnAttemptThatEndsBeforeItsStarterSaidSoIsFollowedByTheNext()
    {
        var record = Admit(Retry(2), out _);
        Assert.True(_lifecycle.TryStart(record));
        Assert.True(_lifecycle.End(record, TaskState.Failed, Lost)); // a worker that answered while its request was still being written
        _lifecycle.Run(record);
        Assert.Equal(TaskState.Queued, record.State);
        Assert.True(_lifecycle.TryRequeue(record));
        _lifecycle.Run(record);
        Assert.Equal(TaskState.Queued, record.State);
        Attempt(record, TaskState.Succeeded, Exit);
        Assert.Equal(TaskState.Succeeded, record.State);
    }

    [Fact]
    public void ATaskThatWaitsForItsNextAttemptCountsAsQueued()
    {
        var gate = new AdmissionGate(new AdmissionOptions(10, 1000, 100));
        _lifecycle.Admission = gate;
        Assert.Null(gate.TryAdmit(2));
        var record = Admit(Retry(3), out _);
        record.AdmittedBytes = 2;
        gate.Release(2); // dispatched
        Attempt(record, TaskState.Failed, Lost);
        Assert.Equal((1, 2), (gate.Queued, gate.QueuedBytes));
        Assert.True(_lifecycle.TryRequeue(record));
        Assert.Equal((1, 2), (gate.Queued, gate.QueuedBytes));
        gate.Release(2);
        Attempt(record, TaskState.Failed, Lost);
        Assert.True(_lifecycle.TryEndQueued(record, TaskState.Cancelled, new TaskCause(CauseType.Cancelled)));
        Assert.Equal((0, 0), (gate.Queued, gate.QueuedBytes));
    }

    [Fact]
    public void EarlierAttemptsThatAreRememberedAreBounded()
    {
        var record = Admit(Retry(100), out _);
        for (var i = 1; i < 100; i++)
        {
            Attempt(record, TaskState.Failed, Lost);
            Assert.True(_lifecycle.TryRequeue(record));
        }

        var life = record.Life!.Facts();
        Assert.Equal((100, TaskLife.MaxRemembered, 84, 99), (life.Attempt, life.Attempts.Count, life.Attempts[0].Attempt, life.Attempts[^1].Attempt));
        Attempt(record, TaskState.Failed, Lost);
        Assert.Single(_observer.Ends);
    }

    [Fact]
    public void ARecordIsUsedAgainWithoutItsLife()
    {
        var record = Admit(Retry(2), out _);
        Attempt(record, TaskState.Failed, Lost);
        Assert.True(_lifecycle.TryRequeue(record));
        Attempt(record, TaskState.Failed, Lost);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(1, _lifecycle.Sweep(10));
        Assert.True(_table.TryRent(out var again));
        Assert.Same(record, again);
        Assert.Null(again.Life);
    }
}
