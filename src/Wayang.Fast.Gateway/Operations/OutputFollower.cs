using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>
/// Follows a stream of a task, or reads a file of one: asks <c>task.output</c> or <c>task.artifact</c> for piece after piece, each time for what stands behind the last one, until the task has
/// ended and nothing is left. A reader that is slow is asked of later, so nothing is gathered for it.
/// </summary>
internal sealed class OutputFollower : IDisposable
{
    private readonly PooledBuffer _request = new(256);
    private readonly KeyValuePair<string, byte[]>[] _given;
    private readonly int? _waitMs;

    /// <param name="parameters">Those of <c>task.output</c>; its wait_ms is not looked at.</param>
    /// <param name="waitMs">How long a look waits for more; null: what is read is whole already (<c>task.artifact</c>).</param>
    public OutputFollower(ReadOnlySpan<byte> parameters, int? waitMs)
    {
        _waitMs = waitMs;
        var given = new List<KeyValuePair<string, byte[]>>();
        var reader = new MessagePackReader(parameters);
        reader.TryReadMapHeader(out var pairs);
        for (; pairs > 0 && reader.TryReadStringOrBinary(out var key); pairs--)
        {
            var start = reader.Position;
            if (key.SequenceEqual("offset"u8) && reader.TryReadInt64(out var offset))
            {
                Offset = offset;
                continue;
            }

            reader.TrySkip();
            if (!key.SequenceEqual("wait_ms"u8))
            {
                given.Add(new(Encoding.UTF8.GetString(key), parameters[start..reader.Position].ToArray()));
            }
        }

        _given = [.. given];
    }

    /// <summary>What is asked for next: all before it was told.</summary>
    public long Offset { get; private set; }

    /// <summary>The task has ended and everything was told.</summary>
    public bool IsOver { get; private set; }

    /// <summary>The last answer holds bytes, or the end.</summary>
    public bool HasNews { get; private set; }

    /// <summary>Goes on where an earlier reader was.</summary>
    public void Resume(long offset) => Offset = offset;

    public void Dispose() => _request.Dispose();

    /// <summary>Asks once: the answer in <paramref name="reply"/>, or the refusal.</summary>
    public async Task<OperationError?> NextAsync(OperationDesk desk, Caller caller, Operation operation, PooledBuffer reply, CancellationToken cancellation)
    {
        WriteRequest();
        reply.Clear();
        if (await desk.AnswerAsync(caller, operation, _request.WrittenMemory, reply, cancellation) is { } refusal)
        {
            return refusal;
        }

        Note(reply.WrittenSpan);
        return null;
    }

    private void WriteRequest()
    {
        _request.Clear();
        var writer = new MessagePackWriter(_request);
        writer.WriteMapHeader(_given.Length + (_waitMs is null ? 1 : 2));
        foreach (var (key, value) in _given)
        {
            writer.WriteString(key);
            writer.WriteRaw(value);
        }

        ReplyEncoder.Number(ref writer, "offset"u8, Offset);
        if (_waitMs is { } wait)
        {
            ReplyEncoder.Number(ref writer, "wait_ms"u8, wait);
        }

        writer.Commit();
    }

    /// <summary>What <c>task.artifact</c> answers has its whole size in <c>bytes</c>, and grows no more.</summary>
    private void Note(ReadOnlySpan<byte> answer)
    {
        var fields = new ReplyFields(answer);
        var length = fields.Length("data"u8);
        Offset += length;
        IsOver = _waitMs is null ? Offset >= fields.Number("bytes"u8) : fields.Flag("ended"u8) && Offset >= fields.Number("total_bytes"u8);
        HasNews = length > 0 || IsOver;
    }
}
