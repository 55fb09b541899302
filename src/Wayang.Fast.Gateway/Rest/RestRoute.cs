using System.Text;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Gateway.Rest;

/// <summary>How the answer of a route goes out.</summary>
public enum RestAnswer : byte
{
    /// <summary>The result as JSON.</summary>
    Json = 0,

    /// <summary>As JSON, with the status 201 and where the task is.</summary>
    Created,

    /// <summary>The bytes themselves.</summary>
    File,

    /// <summary>Events as they happen, as server-sent events or lines of JSON.</summary>
    Events,

    /// <summary>Piece after piece, as server-sent events or lines of JSON.</summary>
    Stream,
}

/// <summary>A method and path, and the operation that they stand for. Parts in braces are parameters of it.</summary>
/// <param name="Method">GET, POST, PATCH or DELETE.</param>
/// <param name="Path">Below /v1.</param>
/// <param name="Name">The operation's name.</param>
public sealed record RestRoute(string Method, string Path, string Name)
{
    public RestAnswer Answer { get; init; }

    public Operation Operation { get; } = OperationTable.Find(Encoding.UTF8.GetBytes(Name)) ?? throw new ArgumentException($"{Name} is no operation", nameof(Name));

    /// <summary>The parameters that the path holds.</summary>
    public IReadOnlyList<RequestField> InPath => _inPath ??= [.. Operation.Request.Where(IsInPath)];

    /// <summary>Parameters come in the body; else in the query.</summary>
    public bool HasBody => Method != "GET" && Operation.Request.Count > InPath.Count;

    /// <summary>Its answers have a tag, by which who has one already is told so; not those that are waited for, or hold what a task wrote.</summary>
    public bool IsConditional => Method == "GET" && Answer == RestAnswer.Json && Operation.Request.All(static f => f.Name is not ("timeout_ms" or "wait_ms"));

    /// <summary>The route that tells of what this one changes, by whose tag a change can be made conditional; null: there is none, or it changes nothing.</summary>
    public RestRoute? Resource => Method == "GET" ? null : All.FirstOrDefault(r => r.IsConditional && r.Path.EndsWith('}')
        && (Path == r.Path || (Path.StartsWith(r.Path + '/', StringComparison.Ordinal) && !Path.AsSpan(r.Path.Length + 1).Contains('/'))));

    /// <summary>Every route there is.</summary>
    public static IReadOnlyList<RestRoute> All { get; } =
    [
        new("POST", "/v1/runs", "task.run"),
        new("POST", "/v1/tasks", "task.submit") { Answer = RestAnswer.Created },
        new("POST", "/v1/task-batches", "task.submit_many"),
        new("GET", "/v1/tasks", "task.list"),
        new("GET", "/v1/tasks/{task}", "task.get"),
        new("PATCH", "/v1/tasks/{task}", "task.update"),
        new("GET", "/v1/tasks/{task}/result", "task.wait"),
        new("POST", "/v1/tasks/{task}/cancel", "task.cancel"),
        new("POST", "/v1/tasks/{task}/pause", "task.pause"),
        new("POST", "/v1/tasks/{task}/resume", "task.resume"),
        new("POST", "/v1/tasks/{task}/checkpoint", "task.checkpoint"),
        new("POST", "/v1/tasks/{task}/migrate", "task.migrate"),
        new("GET", "/v1/tasks/{task}/explanation", "task.explain"),
        new("GET", "/v1/tasks/{task}/output", "task.output"),
        new("GET", "/v1/tasks/{task}/output/stream", "task.output") { Answer = RestAnswer.Stream },
        new("GET", "/v1/tasks/{task}/artifacts/{**name}", "task.artifact") { Answer = RestAnswer.File },
        new("GET", "/v1/groups", "group.list"),
        new("GET", "/v1/groups/{group}", "group.get"),
        new("GET", "/v1/groups/{group}/result", "group.wait"),
        new("POST", "/v1/groups/{group}/cancel", "group.cancel"),
        new("POST", "/v1/images", "image.put"),
        new("GET", "/v1/images", "image.list"),
        new("GET", "/v1/node", "node.info"),
        new("GET", "/v1/node/stats", "node.stats"),
        new("GET", "/v1/node/incidents", "node.incidents"),
        new("POST", "/v1/node/scan", "node.scan"),
        new("POST", "/v1/node/drain", "node.drain"),
        new("GET", "/v1/workers", "worker.list"),
        new("GET", "/v1/pools", "pool.list"),
        new("GET", "/v1/tenants", "tenant.list"),
        new("GET", "/v1/node/peers", "node.peers"),
        new("GET", "/v1/events", "events.subscribe") { Answer = RestAnswer.Events },
        new("GET", "/v1/events/page", "events.list"),
        new("POST", "/v1/webhooks", "webhook.create"),
        new("GET", "/v1/webhooks", "webhook.list"),
        new("GET", "/v1/webhooks/{webhook}", "webhook.get"),
        new("PATCH", "/v1/webhooks/{webhook}", "webhook.update"),
        new("DELETE", "/v1/webhooks/{webhook}", "webhook.delete"),
        new("POST", "/v1/webhooks/{webhook}/rotate", "webhook.rotate"),
        new("POST", "/v1/webhooks/{webhook}/replay", "webhook.replay"),
        new("GET", "/v1/webhooks/{webhook}/deliveries", "webhook.deliveries"),
    ];

    private IReadOnlyList<RequestField>? _inPath;

    private bool IsInPath(RequestField parameter) =>
        Path.Contains('{' + parameter.Name + '}', StringComparison.Ordinal) || Path.Contains("{**" + parameter.Name + '}', StringComparison.Ordinal);
}
