using System.Text;
using Google.Protobuf.Reflection;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Proto;
using Wayang.Fast.Gateway.Grpc.Wire;

namespace Wayang.Fast.Gateway.Grpc;

/// <summary>
/// The methods of <c>wayang.runtime.v1.Runtime</c>, made of its descriptor: a method has the name of its operation, and there is nothing more to
/// say of most of them.
/// </summary>
internal sealed class RuntimeMethods : IServiceMethodProvider<RuntimeService>
{
    /// <summary>Follows a stream: <c>task.output</c> again and again.</summary>
    public const string Follow = "TaskFollow";

    /// <summary>Tasks in and ends out: <c>task.run</c> again and again.</summary>
    public const string Session = "TaskSession";

    public static ServiceDescriptor Service { get; } = RuntimeReflection.Descriptor.Services[0];

    /// <summary>The operation that a method stands for; null: none, which a test looks for.</summary>
    public static Operation? OperationOf(string method) =>
        OperationTable.Find(Encoding.UTF8.GetBytes(method switch
        {
            Follow => "task.output",
            Session => "task.run",
            MethodNames.Watch => "events.subscribe",
            _ => NameOf(method),
        }));

    public void OnServiceMethodDiscovery(ServiceMethodProviderContext<RuntimeService> context)
    {
        foreach (var method in Service.Methods)
        {
            var operation = OperationOf(method.Name) ?? throw new InvalidOperationException($"{method.FullName} is no operation.");
            var reply = ProtoShapes.Of(method.OutputType);
            var described = new Method<GrpcRequest, GrpcReply>(
                TypeOf(method), Service.FullName, method.Name, GrpcRequest.MarshallerOf(ProtoShapes.Of(method.InputType)), GrpcReply.Marshaller);
            object[] metadata = [operation];
            if (method is { IsServerStreaming: true, IsClientStreaming: true })
            {
                context.AddDuplexStreamingMethod(described, metadata, (service, requests, stream, call) => service.ConverseAsync(reply, requests, stream, call));
            }
            else if (method.IsServerStreaming)
            {
                context.AddServerStreamingMethod(described, metadata, (service, request, stream, call) => method.Name == MethodNames.Watch
                    ? service.WatchAsync(operation, reply, request, stream, call)
                    : service.FollowAsync(operation, reply, request, stream, call));
            }
            else if (method.IsClientStreaming)
            {
                context.AddClientStreamingMethod(described, metadata, (service, requests, call) => service.SubmitManyAsync(operation, reply, requests, call));
            }
            else
            {
                context.AddUnaryMethod(described, metadata, (service, request, call) => service.AnswerAsync(operation, reply, request, call));
            }
        }
    }

    private static MethodType TypeOf(MethodDescriptor method) => (method.IsClientStreaming, method.IsServerStreaming) switch
    {
        (false, false) => MethodType.Unary,
        (true, false) => MethodType.ClientStreaming,
        (false, true) => MethodType.ServerStreaming,
        _ => MethodType.DuplexStreaming,
    };

    /// <summary>TaskSubmitMany is task.submit_many: the first word is the thing, the others what is done with it.</summary>
    private static string NameOf(string method)
    {
        var name = new StringBuilder();
        var words = 0;
        foreach (var letter in method)
        {
            if (char.IsAsciiLetterUpper(letter) && words++ > 0)
            {
                name.Append(words == 2 ? '.' : '_');
            }

            name.Append(char.ToLowerInvariant(letter));
        }

        return name.ToString();
    }
}
