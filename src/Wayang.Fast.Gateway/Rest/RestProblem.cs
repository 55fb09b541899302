using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Gateway.Rest;

/// <summary>How refusals are told over REST: <c>application/problem+json</c> with the code's own name beside the status.</summary>
public static class RestProblem
{
    public const string ContentType = "application/problem+json";

    /// <summary>Which status stands for a code.</summary>
    public static int StatusOf(ErrorCode code) => code switch
    {
        ErrorCode.None => StatusCodes.Status200OK,
        ErrorCode.InvalidArgument => StatusCodes.Status400BadRequest,
        ErrorCode.Unauthenticated => StatusCodes.Status401Unauthorized,
        ErrorCode.PermissionDenied => StatusCodes.Status403Forbidden,
        ErrorCode.NotFound or ErrorCode.UnknownOperation => StatusCodes.Status404NotFound,
        ErrorCode.Conflict => StatusCodes.Status409Conflict,
        ErrorCode.TooLarge => StatusCodes.Status413PayloadTooLarge,
        ErrorCode.ImageFailed => StatusCodes.Status422UnprocessableEntity,
        ErrorCode.ResourceExhausted => StatusCodes.Status429TooManyRequests,
        ErrorCode.Unsupported => StatusCodes.Status501NotImplemented,
        ErrorCode.Unavailable or ErrorCode.NodeLost => StatusCodes.Status503ServiceUnavailable,
        ErrorCode.WaitTimeout => StatusCodes.Status504GatewayTimeout,
        _ => StatusCodes.Status500InternalServerError,
    };

    public static async Task WriteAsync(HttpContext context, OperationError error, int? status = null)
    {
        var response = context.Response;
        response.StatusCode = status ?? StatusOf(error.Code);
        response.ContentType = ContentType;
        if (error.Code == ErrorCode.Unauthenticated)
        {
            response.Headers.WWWAuthenticate = "Bearer";
        }

        if (error.RetryAfterMs is { } delay)
        {
            response.Headers.RetryAfter = Math.Max(1, (delay + 999) / 1000).ToString(CultureInfo.InvariantCulture);
        }

        await using (var writer = new Utf8JsonWriter(response.BodyWriter))
        {
            var code = WireNames.Text(error.Code);
            writer.WriteStartObject();
            writer.WriteString("type", "urn:wayang:error:" + code);
            writer.WriteString("title", code.Replace('_', ' '));
            writer.WriteNumber("status", response.StatusCode);
            writer.WriteString("detail", error.Message);
            writer.WriteString("code", code);
            if (error.Field is { } field)
            {
                writer.WriteString("field", field);
            }

            if (error.RetryAfterMs is { } wait)
            {
                writer.WriteNumber("retry_after_ms", wait);
            }

            writer.WriteEndObject();
        }

        await response.BodyWriter.FlushAsync();
    }
}
