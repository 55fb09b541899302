using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Wayang.Fast.Gateway.Rest;

/// <summary>What a result is called by its content, so that who has it already is not sent it again.</summary>
internal static class EntityTag
{
    private const int HashBytes = 16;

    /// <summary>Of a result, as the map that its JSON is made of.</summary>
    public static string Of(ReadOnlySpan<byte> result)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(result, hash);
        return $"\"{Convert.ToHexStringLower(hash[..HashBytes])}\"";
    }

    /// <summary>Tells the tag; true: the caller has what it names, and the answer is a 304 without a body.</summary>
    public static bool IsKnown(HttpContext context, string tag)
    {
        context.Response.Headers.ETag = tag;
        if (!Names(context.Request.Headers.IfNoneMatch, tag))
        {
            return false;
        }

        context.Response.StatusCode = StatusCodes.Status304NotModified;
        return true;
    }

    /// <summary>The caller wants a change only of what it knows.</summary>
    public static bool IsAsked(HttpContext context) => context.Request.Headers.IfMatch.Count > 0;

    /// <summary>Strongly compared, as the standard has it for <c>If-Match</c>: a weak tag is never the same. What is no list of tags names none.</summary>
    public static bool Matches(HttpContext context, string tag) =>
        EntityTagHeaderValue.TryParseStrictList([.. context.Request.Headers.IfMatch.OfType<string>()], out var tags)
        && tags.Any(known => known.Tag == "*" || (!known.IsWeak && known.Tag == tag));

    /// <summary>Weakly compared, as the standard has it for this header; what is no list of tags names none.</summary>
    private static bool Names(StringValues header, string tag) =>
        header.Count > 0 && EntityTagHeaderValue.TryParseList([.. header.OfType<string>()], out var tags)
        && tags.Any(known => known.Tag == "*" || known.Tag == tag);
}
