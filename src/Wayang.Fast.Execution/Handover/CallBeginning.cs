using System.Buffers.Binary;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Checkpoints;

namespace Wayang.Fast.Execution.Handover;

/// <summary>What a call that begins anew takes to another node, and home: its input, which is at home already then, and what it saved last.</summary>
/// <param name="Attempt">The attempt that begins with it; 1 for the first.</param>
/// <param name="Input">Of the call; empty on the way home.</param>
/// <param name="Saved">Null: it has saved nothing.</param>
internal sealed record CallBeginning(int Attempt, byte[] Input, byte[]? Saved)
{
    private const int AttemptBytes = sizeof(int);

    /// <summary>As they are told of a move.</summary>
    public long Bytes => AttemptBytes + Input.LongLength + (Saved?.LongLength ?? 0);

    /// <summary>A copy. On the completion thread.</summary>
    /// <param name="record">Of a task that stands still.</param>
    /// <param name="withInput">It leaves home.</param>
    public static CallBeginning Of(TaskRecord record, bool withInput) =>
        new(record.Life?.Attempt ?? 1, withInput ? record.Input.Span.ToArray() : [], record.Life?.Saved?.Bytes.ToArray());

    /// <summary>Sends all of it; blocks. A connection that breaks is the sender's to tell.</summary>
    public void Send(CallSender sender)
    {
        Span<byte> attempt = stackalloc byte[AttemptBytes];
        BinaryPrimitives.WriteInt32LittleEndian(attempt, Attempt);
        sender.Write(CheckpointFile.Kind.Attempt, attempt);
        Send(sender, CheckpointFile.Kind.Input, Input);
        if (Saved is not null)
        {
            sender.Write(CheckpointFile.Kind.Saved, []); // a state of no bytes is one, too
            Send(sender, CheckpointFile.Kind.Saved, Saved);
        }

        sender.Write(CheckpointFile.Kind.End, []);
    }

    /// <summary>Takes all of one; blocks until it came.</summary>
    /// <param name="arriving">What comes.</param>
    /// <param name="mostInput">Bytes of input at most.</param>
    /// <param name="mostSaved">Bytes of a state at most.</param>
    /// <exception cref="EndOfStreamException">The connection broke.</exception>
    /// <exception cref="InvalidDataException">It is none, or larger than is allowed here.</exception>
    public static CallBeginning Receive(CallReceiver arriving, long mostInput, long mostSaved)
    {
        using var input = new MemoryStream();
        using var saved = new MemoryStream();
        var (attempt, hasSaved) = (0, false);
        arriving.ReadAll((kind, piece) =>
        {
            switch (kind)
            {
                case CheckpointFile.Kind.Attempt when piece.Length == AttemptBytes && attempt == 0:
                    attempt = BinaryPrimitives.ReadInt32LittleEndian(piece);
                    break;
                case CheckpointFile.Kind.Input when attempt > 0 && !hasSaved:
                    Append(input, piece, mostInput, "its input has", "limits.payload_bytes");
                    break;
                case CheckpointFile.Kind.Saved when attempt > 0:
                    hasSaved = true;
                    Append(saved, piece, mostSaved, "what it saved has", "limits.state_bytes");
                    break;
                default:
                    throw new InvalidDataException("what arrived is not what a call begins from");
            }

            return true;
        });
        return attempt > 0
            ? new CallBeginning(attempt, input.ToArray(), hasSaved ? saved.ToArray() : null)
            : throw new InvalidDataException("what arrived of a call names no attempt");
    }

    private static void Append(MemoryStream to, ReadOnlySpan<byte> piece, long most, string what, string key)
    {
        if (to.Length + piece.Length > most)
        {
            throw new InvalidDataException($"{what} more than the {most} bytes that are allowed here ({key})");
        }

        to.Write(piece);
    }

    private static void Send(CallSender sender, CheckpointFile.Kind kind, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length > 0; bytes = bytes[Math.Min(CheckpointFile.PieceBytes, bytes.Length)..])
        {
            sender.Write(kind, bytes[..Math.Min(CheckpointFile.PieceBytes, bytes.Length)]);
        }
    }
}
