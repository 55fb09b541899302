using System.Globalization;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Events;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Writes events in the shape of CloudEvents 1.0.</summary>
internal static class EventReplies
{
    private const int Always = 9;

    private static readonly string s_source = "/wayang/" + Environment.MachineName;

    public static void Write(ref MessagePackWriter writer, NodeEvent told)
    {
        var number = told.Sequence.ToString(CultureInfo.InvariantCulture);
        writer.WriteMapHeader(Always + (told.Task == default ? 0 : 1) + (told.Tenant == NodeEvent.OfNode ? 0 : 1));
        ReplyEncoder.Text(ref writer, "specversion"u8, "1.0");
        ReplyEncoder.Text(ref writer, "id"u8, told.Type == EventTypes.Gap ? "gap-" + number : number);
        ReplyEncoder.Text(ref writer, "source"u8, s_source);
        ReplyEncoder.Text(ref writer, "type"u8, told.Type);
        ReplyEncoder.Text(ref writer, "time"u8, ReplyEncoder.Time(DateTimeOffset.FromUnixTimeMilliseconds(told.UnixMs)));
        if (told.Task != default)
        {
            ReplyEncoder.Text(ref writer, "subject"u8, told.Task.ToString());
        }

        ReplyEncoder.Text(ref writer, "severity"u8, WireNames.Text(told.Severity));
        if (told.Tenant != NodeEvent.OfNode)
        {
            ReplyEncoder.Number(ref writer, "tenant"u8, told.Tenant);
        }

        ReplyEncoder.Text(ref writer, "sequence"u8, number);
        ReplyEncoder.Text(ref writer, "datacontenttype"u8, "application/json");
        writer.WriteString("data"u8);
        writer.WriteRaw(told.Data);
    }

    public static void Page(ref MessagePackWriter writer, EventPage page)
    {
        writer.WriteMapHeader(page.Stalled is null ? 2 : 3);
        writer.WriteString("events"u8);
        writer.WriteArrayHeader(page.Events.Count);
        foreach (var told in page.Events)
        {
            Write(ref writer, told);
        }

        ReplyEncoder.Number(ref writer, "next"u8, page.Next);
        if (page.Stalled is { } why)
        {
            ReplyEncoder.Text(ref writer, "stalled"u8, why);
        }
    }
}
