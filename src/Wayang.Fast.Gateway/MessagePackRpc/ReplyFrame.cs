using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>Writes replies: [1, msgid, error or nil, result or nil].</summary>
internal static class ReplyFrame
{
    private const int Response = 1;

    /// <summary>All of a reply but its result, which follows.</summary>
    public static void Begin(ref MessagePackWriter writer, uint messageId)
    {
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(Response);
        writer.WriteUInt64(messageId);
        writer.WriteNil();
    }

    /// <summary>What follows <see cref="Begin"/> in a reply that it began.</summary>
    public static ReadOnlySpan<byte> ResultOf(ReadOnlySpan<byte> reply)
    {
        var reader = new MessagePackReader(reply);
        return reader.TryReadArrayHeader(out _) && reader.TrySkip() && reader.TrySkip() && reader.TrySkip() ? reply[reader.Position..] : default;
    }

    public static void Error(ref MessagePackWriter writer, uint messageId, OperationError error)
    {
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(Response);
        writer.WriteUInt64(messageId);
        ReplyEncoder.ErrorMap(ref writer, error);
        writer.WriteNil();
    }

    public static void Session(ref MessagePackWriter writer, Caller session)
    {
        writer.WriteMapHeader(3);
        ReplyEncoder.Text(ref writer, "identity"u8, session.Identity.Name);
        ReplyEncoder.Number(ref writer, "tenant"u8, session.Tenant);
        ReplyEncoder.Texts(ref writer, "scopes"u8, ScopeNames.Text(session.Scopes).Split(','));
    }
}
