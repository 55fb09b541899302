using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.Audit;

/// <summary>
/// On what an operation was asked for: the parameters that are ids and names, and the ids that its reply gave. Only fields that are listed here are ever
/// copied, so nothing else of a request can come into the log.
/// </summary>
internal static class AuditTarget
{
    private const int TaskIdLength = 26;

    /// <summary>Fields of requests; all of them are bounded by the table.</summary>
    private static readonly string[] s_asked = ["task", "group", "webhook", "event", "kind", "name"];

    /// <summary>Fields of replies: what was made.</summary>
    private static readonly string[] s_made = ["webhook", "image"];

    /// <param name="operation">An audited one.</param>
    /// <param name="frame">Where its parameters stand.</param>
    /// <param name="slots">What was read of them.</param>
    /// <param name="reply">The result's map; empty where there is none.</param>
    public static IReadOnlyList<KeyValuePair<string, string>> Of(Operation operation, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots, ReadOnlySpan<byte> reply)
    {
        var target = new List<KeyValuePair<string, string>>();
        var fields = operation.Fields;
        for (var i = 0; i < fields.Length; i++)
        {
            if (slots[i].Present && s_asked.Contains(fields[i].Name, StringComparer.Ordinal))
            {
                Add(target, fields[i], slots[i], frame);
            }
        }

        foreach (var key in reply.IsEmpty ? [] : s_made)
        {
            if (target.TrueForAll(known => known.Key != key) && new ReplyFields(reply).Text(Encoding.UTF8.GetBytes(key)) is { Length: > 0 } made)
            {
                target.Add(new(key, made));
            }
        }

        return target;
    }

    /// <summary>Reads a map of parameters, as far as it can be read.</summary>
    public static IReadOnlyList<KeyValuePair<string, string>> Of(Operation operation, ReadOnlySpan<byte> map, ReadOnlySpan<byte> reply)
    {
        var slots = new ParameterSlot[OperationTable.MaxFields];
        if (!map.IsEmpty)
        {
            var reader = new MessagePackReader(map);
            ParameterReader.Read(operation, ref reader, slots);
        }

        return Of(operation, map, slots, reply);
    }

    private static void Add(List<KeyValuePair<string, string>> target, RequestField field, in ParameterSlot slot, ReadOnlySpan<byte> frame)
    {
        if (field.Type == FieldType.Integer)
        {
            target.Add(new(field.Name, slot.Number.ToString(CultureInfo.InvariantCulture)));
        }
        else if (slot.Length > 0 && slot.Length <= (field.Type == FieldType.TaskId ? TaskIdLength : field.Max))
        {
            target.Add(new(field.Name, Encoding.UTF8.GetString(slot.Of(frame))));
        }
    }
}
