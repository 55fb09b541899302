using System.Collections.Concurrent;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Ledger.Tests;

/// <summary>A directory for one test's ledger, and writes whose receipts can be waited for.</summary>
public abstract class LedgerFixture : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private int _next;

    public string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("wayang-ledger-").FullName;

    public string FilePath => Path.Combine(Directory, "ledger.db");

    protected ConcurrentQueue<string> Changes { get; } = new();

    private protected SqliteLedger Open(LedgerOptions? options = null) =>
        SqliteLedger.Open((options ?? new LedgerOptions(FilePath) { Pulse = TimeSpan.FromMilliseconds(50) }) with { OnChange = Changes.Enqueue }, TimeProvider.System);

    protected TaskId NextId() => TaskId.Create(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), 7, 1, Interlocked.Increment(ref _next));

    private protected static Submission Submit(ITaskLedger ledger, TaskId id, string spec = "spec", LedgerImage? image = null, string? key = null)
    {
        var write = new Submission(id)
        {
            Tenant = 3, SubmittedUnixMs = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), Spec = Encoding.UTF8.GetBytes(spec), Image = image,
            Idempotency = key is null ? null : new IdempotencyTerms(key, new(0, 42)),
        };
        ledger.Post(write);
        return write;
    }

    private protected static End Finish(ITaskLedger ledger, TaskId id, TaskState state = TaskState.Succeeded, string output = "out", long? endedUnixMs = null)
    {
        var write = new End(id)
        {
            State = state, EndedUnixMs = endedUnixMs ?? DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), Facts = [1],
            Streams = [Encoding.UTF8.GetBytes(output), null, null, null],
        };
        ledger.Post(write);
        return write;
    }

    private protected static Task<OperationError?> Within(Task<OperationError?> receipt) => receipt.WaitAsync(s_patience);

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        Clean();
        System.IO.Directory.Delete(Directory, recursive: true);
    }

    protected virtual void Clean()
    {
    }

    /// <summary>Null: stored.</summary>
    private protected sealed class Submission(TaskId id) : LedgerSubmission(id)
    {
        private readonly TaskCompletionSource<OperationError?> _receipt = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<OperationError?> Receipt => _receipt.Task;

        public override void OnStored() => _receipt.SetResult(null);

        public override void OnRefused(OperationError refusal) => _receipt.SetResult(refusal);
    }

    private protected sealed class End(TaskId id) : LedgerEnd(id)
    {
        private readonly TaskCompletionSource<OperationError?> _receipt = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<OperationError?> Receipt => _receipt.Task;

        public override void OnStored() => _receipt.SetResult(null);

        public override void OnRefused(OperationError refusal) => _receipt.SetResult(refusal);
    }
}
