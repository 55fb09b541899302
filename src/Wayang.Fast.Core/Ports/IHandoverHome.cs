using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;

namespace Wayang.Fast.Core.Ports;

/// <summary>
/// A node's own tasks, as hand-overs see them. Who calls holds the messages, this holds the tasks. What changes one is done by the completion thread; a refusal then means that nothing was
/// changed. Thread-safe.
/// </summary>
public interface IHandoverHome
{
    /// <summary>Bytes of output that a call may have here. Another node may allow more.</summary>
    long MaxOutputBytes { get; }

    /// <summary>Bytes that one call may save here. The same.</summary>
    long MaxStateBytes { get; }

    /// <summary>What another node must know to continue the task's call.</summary>
    /// <returns>Null, or why it cannot be moved.</returns>
    OperationError? Describe(TaskId id, int tenant, out DepartingCall? call);

    /// <summary>Of a call that <see cref="DepartingCall.BeginsAnew"/>: it gives its place back, and waits. That may take as long as it needs to save its state.</summary>
    /// <returns>Null, or why it does not: it goes on.</returns>
    Task<OperationError?> StopAsync(TaskId id);

    /// <summary>Writes the call down, if that was not done yet, and sends it meanwhile; of one that begins anew, which stands still: sends what it begins from.</summary>
    /// <param name="id">The task.</param>
    /// <param name="to">The connection to the node that takes it (<see cref="CallStream"/>), behind its preface and the answer; owned from now on. Its timeouts say for how long that node is waited for.</param>
    IDepartingFile WriteDown(TaskId id, Stream to);

    /// <summary>The fence: from here on the task is at the other node, and only a word with this stay's name changes it.</summary>
    Task<OperationError?> LeaveAsync(TaskId id, TaskStay stay);

    /// <summary>Notes a move that is over, for those who ask.</summary>
    Task NoteAsync(TaskId id, TaskMoves moves);

    /// <summary>Appends what the call said at the other node.</summary>
    Task<OperationError?> AppendAsync(TaskId id, string handover, OutputStream stream, ReadOnlyMemory<byte> bytes, ReadOnlyMemory<byte> progress);

    /// <summary>The call saved a state at the other node, from which its next attempt begins wherever that is. One that there is no room for is not kept, as here.</summary>
    Task<OperationError?> SaveAsync(TaskId id, string handover, ReadOnlyMemory<byte> state);

    /// <summary>The task stands still here again. It is not resumed by this. Of a call that saves its state the attempt has ended with its loss there.</summary>
    /// <param name="id">The task.</param>
    /// <param name="handover">Of its stay.</param>
    /// <param name="call">What came back of it, whole; null: it goes on from where it left.</param>
    /// <param name="failure">Why it did not go on there; null: it was called back.</param>
    /// <param name="hasBegun">It may have gone on there.</param>
    /// <returns>Null, or why it does not stand here.</returns>
    Task<OperationError?> ComeBackAsync(TaskId id, string handover, IArrivingCall? call, string? failure, bool hasBegun);

    /// <summary>The call ended at the other node: so does its attempt here.</summary>
    Task<OperationError?> EndAsync(TaskId id, string handover, VisitEnd end, ReadOnlyMemory<byte> output);

    /// <summary>Lets a task go on that stands still here; completes when it does, or cannot now.</summary>
    Task ResumeAsync(TaskId id);

    /// <summary>Has a worker made for a call that is about to come back, before anything of it stands still. Only ever a short cut.</summary>
    /// <param name="id">The task.</param>
    /// <param name="shape">As <see cref="DepartingCall.Shape"/>.</param>
    /// <returns>Null: none is made.</returns>
    IAwaitingWorker? Await(TaskId id, ReadOnlyMemory<byte> shape);

    /// <summary>Takes a call that comes home, as it is sent, and makes a checkpoint of it, where it is one that goes on from such.</summary>
    /// <param name="id">The task.</param>
    /// <param name="from">The connection, as of <see cref="WriteDown"/>.</param>
    /// <param name="awaiting">Is filled from it, if it is of the same shape; owned from now on. Null: nobody.</param>
    /// <exception cref="IOException">The task is not there; then nothing was taken over.</exception>
    IArrivingCall Receive(TaskId id, Stream from, IAwaitingWorker? awaiting);
}

/// <summary>A worker that is made before the call comes which goes on in it. It ends when this is disposed, unless the call took it. Thread-safe.</summary>
public interface IAwaitingWorker : IDisposable
{
    /// <summary>Completes when it takes what comes as fast as that does, when nothing came of it, or after half a second: it is only ever a short cut.</summary>
    Task WhenPreparedAsync();
}

/// <summary>
/// A call that is being written down and sent. The worker that it is of, which stands still, is kept until this is disposed: to take its memory away costs a processor as much time as to write it, and others wait
/// for that one. Dispose ends the connection, too. Thread-safe.
/// </summary>
public interface IDepartingFile : IDisposable
{
    /// <summary>All of it is written and the call stands in it, or why not; then the call goes on where it was.</summary>
    Task<(CallFile? File, OperationError? Refusal)> Whole { get; }

    /// <summary>Completes when the other node has all of it: null; or why it has not. Asked for once it is whole.</summary>
    Task<OperationError?> Kept { get; }
}

/// <summary>A call on its way here. It is gone when this is disposed, unless the task came back with it (<see cref="IHandoverHome.ComeBackAsync"/>). One caller at a time.</summary>
public interface IArrivingCall : IDisposable
{
    /// <summary>All of it came, so many bytes, was checked, and lies here. Fails with an <see cref="IOException"/> (the disk, or the connection), or an <see cref="InvalidDataException"/>: it is damaged, or of something else.</summary>
    Task<long> Whole { get; }
}

/// <param name="Tenant">Its name.</param>
/// <param name="Spec">All that it takes to run it, for the other node's eyes.</param>
/// <param name="Stay">Where it is already; null: here.</param>
/// <param name="Moves">Those that are over.</param>
/// <param name="Stands">It stands in its file, as it was asked to: it stays there if it cannot leave.</param>
public sealed record DepartingCall(string Tenant, ReadOnlyMemory<byte> Spec, TaskStay? Stay, TaskMoves? Moves, bool Stands)
{
    /// <summary>How its worker's channel is made, by which another node can make one before anything of the call is there; empty: it is in no worker now.</summary>
    public ReadOnlyMemory<byte> Shape { get; init; }

    /// <summary>It does not go on from a file: its next attempt begins from its input, and from what it saved.</summary>
    public bool BeginsAnew { get; init; }

    /// <summary>What it has done until then is lost by a move: none is made but those that somebody asks for.</summary>
    public bool LosesWork { get; init; }
}

/// <summary>What is sent of a call: its file, as it lies on the disk, or what it begins from.</summary>
/// <param name="Path">Of the file; null: there is none.</param>
/// <param name="Bytes">Of it.</param>
public sealed record CallFile(string? Path, long Bytes)
{
    /// <summary>When the call was stopped, by this node's monotonic clock; 0: not known.</summary>
    public long StandsSince { get; init; }
}
