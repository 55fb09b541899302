using System.Net;
using Wayang.Fast.Contracts.Errors;

namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>Judges the address that a webhook is to be sent to, as far as it can be told without asking for the name.</summary>
internal static class WebhookTarget
{
    private const string Field = "url";

    public static OperationError? Refuse(string text, bool allowPrivate)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("https" or "http") || url.Host.Length == 0)
        {
            return new(ErrorCode.InvalidArgument, "'url' is no address of the form https://HOST/PATH.", Field);
        }

        if (url.UserInfo.Length > 0 || url.Fragment.Length > 0)
        {
            return new(ErrorCode.InvalidArgument, "'url' holds a user or a fragment ('#'): receivers know us by the signature, so leave both out.", Field);
        }

        if (url.Scheme == "http" && !allowPrivate)
        {
            return new(ErrorCode.InvalidArgument, "'url' is without TLS: use https, or let the operator set webhooks.allow_private: true for receivers of the own network.", Field);
        }

        return IPAddress.TryParse(url.IdnHost, out var address) && AddressGuard.Refuse(address, allowPrivate) is { } what
            ? new(ErrorCode.InvalidArgument, $"'url' names {address}, which is {what}: {Remedy}", Field)
            : null;
    }

    public const string Remedy = "webhooks go to the public internet, unless webhooks.allow_private: true is set";
}
