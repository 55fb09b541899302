using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Status = Google.Rpc.Status;

namespace Wayang.Fast.Gateway.Grpc;

/// <summary>How the codes of refusals are told over gRPC: by the status that clients know, with the code's own name and the field in its details.</summary>
public static class GrpcFailure
{
    /// <summary>The domain of <c>google.rpc.ErrorInfo</c>.</summary>
    public const string Domain = "wayang.runtime";

    private const string DetailsHeader = "grpc-status-details-bin";

    /// <summary>Which status stands for a code.</summary>
    public static StatusCode StatusOf(ErrorCode code) => code switch
    {
        ErrorCode.None => StatusCode.OK,
        ErrorCode.InvalidArgument or ErrorCode.TooLarge => StatusCode.InvalidArgument,
        ErrorCode.NotFound => StatusCode.NotFound,
        ErrorCode.UnknownOperation => StatusCode.Unimplemented,
        ErrorCode.PermissionDenied => StatusCode.PermissionDenied,
        ErrorCode.ResourceExhausted => StatusCode.ResourceExhausted,
        ErrorCode.ImageFailed or ErrorCode.Unsupported or ErrorCode.Conflict => StatusCode.FailedPrecondition,
        ErrorCode.Unavailable or ErrorCode.NodeLost => StatusCode.Unavailable,
        ErrorCode.WaitTimeout => StatusCode.DeadlineExceeded,
        ErrorCode.Unauthenticated => StatusCode.Unauthenticated,
        _ => StatusCode.Internal,
    };

    /// <summary>As an exception, which ends a call with the status and its details.</summary>
    public static RpcException ToException(OperationError error) => Describe(error).ToRpcException();

    /// <summary>Answers a call that is refused before it is read: an answer of trailers alone.</summary>
    public static async Task WriteAsync(HttpContext context, OperationError error)
    {
        var headers = context.Response.Headers;
        context.Response.ContentType = "application/grpc";
        headers["grpc-status"] = ((int)StatusOf(error.Code)).ToString(CultureInfo.InvariantCulture);
        headers["grpc-message"] = Uri.EscapeDataString(error.Message);
        headers[DetailsHeader] = Convert.ToBase64String(Describe(error).ToByteArray());
        await context.Response.CompleteAsync();
    }

    private static Status Describe(OperationError error)
    {
        var status = new Status { Code = (int)StatusOf(error.Code), Message = error.Message };
        status.Details.Add(Any.Pack(new ErrorInfo { Reason = WireNames.Text(error.Code).ToUpperInvariant(), Domain = Domain }));
        if (error.Field is { } field)
        {
            status.Details.Add(Any.Pack(new BadRequest
            {
                FieldViolations = { new BadRequest.Types.FieldViolation { Field = field, Description = error.Message } },
            }));
        }

        if (error.RetryAfterMs is { } delay)
        {
            status.Details.Add(Any.Pack(new RetryInfo { RetryDelay = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(delay)) }));
        }

        return status;
    }
}
