using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>The operations that no front door answers inline: they allocate, copy much or look at everything. Parameters come checked by the table.</summary>
internal static class ColdOperations
{
    /// <summary>Writes the result, or returns the refusal; what was written then counts for nothing.</summary>
    public static OperationError? Perform(
        OperationKind kind, OperationPorts ports, int tenant, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots, ref MessagePackWriter writer)
    {
        if (MonitorReplies.TryWrite(kind, ref writer, ports, tenant, frame, slots, out var refusal))
        {
            return refusal;
        }

        switch (kind)
        {
            case OperationKind.TaskOutput:
                return OutputRequest.Of(frame, slots).Write(ref writer, ports.Tasks, tenant);
            case OperationKind.TaskSubmitMany:
                SubmitMany(ref writer, ports.Tasks, tenant, slots[0].Of(frame));
                break;
            case OperationKind.TaskGet:
                refusal = ports.Tasks.Get(TaskRequest.IdOf(frame, slots), tenant, out var snapshot);
                if (snapshot is not null)
                {
                    ReplyEncoder.Snapshot(ref writer, snapshot);
                }

                break;
            case OperationKind.TaskArtifact:
                refusal = ArtifactReplies.WritePiece(ref writer, ports.Tasks, tenant, frame, slots);
                break;
            case OperationKind.ImageList:
                WriteImages(ref writer, ports.Tasks.ListImages(tenant));
                break;
            case OperationKind.NodePeers:
                PeerCalls.WriteList(ref writer, ports.Membership?.Self.Node ?? ports.Tasks.DescribeNode().Node, ports.Membership?.List() ?? []);
                break;
            case OperationKind.NodeInfo:
                ReplyEncoder.Node(ref writer, ports.Tasks.DescribeNode());
                break;
            case OperationKind.NodeStats:
                writer.WriteMapHeader(1);
                ReplyEncoder.Numbers(ref writer, "values"u8, ports.Tasks.ReadStatistics().Values);
                break;
            default:
                return new(ErrorCode.Internal, $"No handler for {kind}.");
        }

        return refusal;
    }

    /// <summary>Stores an image: either the description or the refusal is there.</summary>
    public static async Task<(ImageDescription? Image, OperationError? Refusal)> PutImageAsync(
        ITaskService tasks, int tenant, ReadOnlyMemory<byte> frame, ParameterSlot[] slots, CancellationToken stopping)
    {
        var upload = new ImageUpload(
            Encoding.UTF8.GetString(slots[0].Of(frame.Span)),
            slots[1].Of(frame.Span).ToArray(),
            slots[2].Present ? Encoding.UTF8.GetString(slots[2].Of(frame.Span)) : null,
            tenant)
        {
            Preload = ReadTexts(frame.Span, slots[3]),
            FileName = slots[4].Present ? Encoding.UTF8.GetString(slots[4].Of(frame.Span)) : null,
        };
        if (upload.Name is { } name && !name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
        {
            return (null, new(ErrorCode.InvalidArgument, "'name' holds letters, digits, '.', '_' and '-' only.", "name"));
        }

        var (image, refusal) = await tasks.PutImageAsync(upload, stopping);
        return refusal is null && image is null
            ? (null, new(ErrorCode.Internal, "The image was neither stored nor refused."))
            : (refusal is null ? image : null, refusal);
    }

    private static void SubmitMany(ref MessagePackWriter writer, ITaskService tasks, int tenant, ReadOnlySpan<byte> list)
    {
        var reader = new MessagePackReader(list);
        reader.TryReadArrayHeader(out var count);

        // A cache of its own: a connection's belongs to its reader.
        var targets = new TargetCache(tasks, tenant);
        Span<ParameterSlot> slots = stackalloc ParameterSlot[OperationTable.MaxFields];
        var outcomes = new SubmissionOutcomes(count);
        for (var i = 0; i < count; i++)
        {
            slots.Clear();
            var item = reader;
            reader.TrySkip();
            var id = default(TaskId);
            var refusal = ParameterReader.Read(OperationTable.TaskSubmit, ref item, slots);
            if (refusal is null)
            {
                refusal = TaskRequest.Bind(list, slots, targets, out var submission);
                refusal ??= outcomes.Submit(i, tasks, submission, out id);
            }

            outcomes.Set(i, id, refusal);
        }

        writer.WriteMapHeader(1);
        writer.WriteString("tasks"u8);
        writer.WriteArrayHeader(count);
        foreach (var (id, refusal) in outcomes.Await())
        {
            if (refusal is null)
            {
                ReplyEncoder.TaskIdMap(ref writer, id);
                continue;
            }

            writer.WriteMapHeader(1);
            writer.WriteString("error"u8);
            ReplyEncoder.ErrorMap(ref writer, refusal);
        }
    }

    /// <summary>A list of texts; what is no text is an empty one, which no name is.</summary>
    private static List<string> ReadTexts(ReadOnlySpan<byte> frame, in ParameterSlot slot)
    {
        var texts = new List<string>();
        if (slot.Present)
        {
            var reader = new MessagePackReader(slot.Of(frame));
            reader.TryReadArrayHeader(out var count);
            for (var i = 0; i < count; i++)
            {
                var isText = reader.TryReadStringOrBinary(out var text);
                texts.Add(isText ? Encoding.UTF8.GetString(text) : "");
                if (!isText)
                {
                    reader.TrySkip();
                }
            }
        }

        return texts;
    }

    private static void WriteImages(ref MessagePackWriter writer, IReadOnlyList<ImageDescription> images)
    {
        writer.WriteMapHeader(1);
        writer.WriteString("images"u8);
        writer.WriteArrayHeader(images.Count);
        foreach (var image in images)
        {
            ReplyEncoder.Image(ref writer, image);
        }
    }
}
