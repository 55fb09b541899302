using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Gateway.Grpc;

/// <summary>Which method of the service stands for an operation.</summary>
public static class MethodNames
{
    /// <summary>Follows the node's events: <c>events.subscribe</c>.</summary>
    internal const string Watch = "WatchEvents";

    public static string Of(Operation operation)
    {
        ArgumentNullException.ThrowIfNull(operation);
        return operation.Kind == OperationKind.EventsSubscribe ? Watch : operation.Kind.ToString();
    }
}
