using System.Runtime.InteropServices;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.Grpc;

/// <summary>Something that a session tells.</summary>
/// <param name="Number">Null: of the session itself.</param>
/// <param name="Task">One that is over, with its result; null: it goes on, or was never taken.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct SessionNews(long? Number, SessionTask? Task)
{
    /// <summary>Why there is no end.</summary>
    public OperationError? Refusal { get; init; }

    /// <summary>It was taken, under this id.</summary>
    public TaskId? Taken { get; init; }

    public int? Window { get; init; }

    /// <summary>The reading stops when there are too many of these.</summary>
    public bool IsOfReader { get; init; }

    public void Write(ref MessagePackWriter writer)
    {
        writer.WriteMapHeader(Number is null ? 1 : 2);
        if (Number is { } number)
        {
            writer.WriteString("number"u8);
            writer.WriteInt64(number);
        }

        if (Window is { } window)
        {
            writer.WriteString("window"u8);
            writer.WriteInt64(window);
        }
        else if (Refusal is { } refusal)
        {
            writer.WriteString("refused"u8);
            ReplyEncoder.ErrorMap(ref writer, refusal);
        }
        else if (Taken is { } id)
        {
            writer.WriteString("task"u8);
            ReplyEncoder.Id(ref writer, id);
        }
        else
        {
            writer.WriteString("ended"u8);
            writer.WriteRaw(Task!.Result.WrittenSpan);
        }
    }
}
