using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Checkpoints;

namespace Wayang.Fast.Execution.Handover;

/// <summary>
/// A call on its way to another node: who writes it down sends each piece, too, before it goes to the disk. It is only ever sent besides: a connection that breaks is told to who wanted it sent, and the file is written
/// on. One thread writes; who has it disposes it, also meanwhile.
/// <para>
/// The writer is held to the other node's pace: what is written is of a call that runs on meanwhile, and stops when little is left to write. Little of it must be under way then, too.
/// </para>
/// </summary>
/// <param name="to">The connection, behind its preface; owned. Its timeouts are the writer's patience.</param>
/// <param name="each">Told each piece.</param>
internal sealed class CallSender(Stream to, HandoverPoint? each = null) : IDepartingFile
{
    /// <summary>Bytes that may be under way: the next pieces, while the other node has those before in hand.</summary>
    public const int Ahead = 256 << 10;

    private readonly byte[] _frame = new byte[CallStream.HeadBytes + CheckpointFile.PieceBytes];
    private readonly TaskCompletionSource<OperationError?> _kept = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private Action? _closing;
    private bool _closed;
    private bool _hasFailed;
    private long _sent;
    private long _taken;

    /// <summary>Set before it is shown.</summary>
    public Task<(CallFile? File, OperationError? Refusal)> Whole { get; set; } = null!;

    public Task<OperationError?> Kept => _kept.Task;

    /// <summary>The file that its pieces are of, where it is written; null: nobody has begun. The writer.</summary>
    public string? Path { get; private set; }

    /// <summary>All of it was sent. The writer.</summary>
    public bool IsSent { get; private set; }

    /// <summary>What is sent is of this file. The writer.</summary>
    public void Begin(string path) => Path = path;

    /// <summary>The next piece. Waits while too much is under way; of no effect when the connection has broken. The writer.</summary>
    public void Write(CheckpointFile.Kind kind, ReadOnlySpan<byte> piece)
    {
        if (_hasFailed)
        {
            return;
        }

        try
        {
            while (_sent - _taken > Ahead)
            {
                Hear(CallWord.Read(to));
            }

            CallStream.WriteHead(_frame, piece.Length, (uint)kind);
            piece.CopyTo(_frame.AsSpan(CallStream.HeadBytes));
            to.Write(_frame, 0, CallStream.HeadBytes + piece.Length);
            to.Flush();
            _sent += CallStream.HeadBytes + piece.Length;
            if (each is { } point)
            {
                HandoverFaults.Reach(point);
            }

            if (kind == CheckpointFile.Kind.End)
            {
                IsSent = true;
                _ = HearOutAsync();
            }
        }
        catch (Exception failure) when (IsOfConnection(failure))
        {
            Fail(failure);
        }
    }

    /// <summary>Called once when this is disposed; at once where it is. The writer.</summary>
    public void WhenClosed(Action closing)
    {
        lock (_lock)
        {
            if (!_closed)
            {
                _closing += closing;
                return;
            }
        }

        closing();
    }

    public void Dispose()
    {
        Action? closing;
        lock (_lock)
        {
            (_closed, closing, _closing) = (true, _closing, null);
        }

        to.Dispose();
        _kept.TrySetResult(new OperationError(ErrorCode.Unavailable, "it was given up"));
        closing?.Invoke();
    }

    /// <summary>Nothing more is sent: what is left to be said is whether all of it is there.</summary>
    private async Task HearOutAsync()
    {
        try
        {
            while (!_kept.Task.IsCompleted)
            {
                Hear(await CallWord.ReadAsync(to, CancellationToken.None).ConfigureAwait(false));
            }
        }
        catch (Exception failure) when (IsOfConnection(failure))
        {
            Fail(failure);
        }
    }

    private void Hear(in CallWord word)
    {
        switch (word.Kind)
        {
            case CallWordKind.Taken when word.Number >= _taken && word.Number <= _sent:
                _taken = word.Number;
                break;
            case CallWordKind.Kept when IsSent && word.Number == _sent:
                _kept.TrySetResult(null);
                break;
            case CallWordKind.Refused:
                _hasFailed = true;
                _kept.TrySetResult(word.Refusal);
                break;
            default:
                throw new InvalidDataException("the other node counts otherwise");
        }
    }

    private void Fail(Exception failure)
    {
        _hasFailed = true;
        _kept.TrySetResult(new OperationError(ErrorCode.Unavailable, $"the connection broke before it had all of it: {failure.Message}", null, 1000));
    }

    /// <summary>A stream that is disposed under who uses it says so in some ways.</summary>
    private static bool IsOfConnection(Exception failure) => failure is IOException or InvalidDataException or ObjectDisposedException or InvalidOperationException or OperationCanceledException;
}
