using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.Rest;

/// <summary>The parameters of a request as the desk takes them: what stands in path, query, headers and body, in one map.</summary>
internal sealed class RestParameters : IDisposable
{
    private const int MaxDepth = 16;
    private const string Raw = "application/octet-stream";
    private const string IdempotencyHeader = "Idempotency-Key";
    private const string IdempotencyField = "idempotency_key";

    private readonly PooledBuffer _body = new(1024);
    private readonly ByteBudget _budget;
    private long _taken;

    private RestParameters(ByteBudget budget) => _budget = budget;

    public PooledBuffer Map { get; } = new(1024);

    /// <summary>Reads the request; what it holds of the caller's budget is given back with <see cref="Dispose"/>.</summary>
    public static async Task<(RestParameters Parameters, OperationError? Refusal)> ReadAsync(RestRoute route, HttpContext context, Caller caller)
    {
        var parameters = new RestParameters(caller.Identity.Bytes);
        try
        {
            var refusal = route.HasBody ? await parameters.ReadBodyAsync(context) : null;
            return (parameters, refusal ?? parameters.Translate(route, context));
        }
        catch
        {
            // The caller left in the middle of it, or sent too much.
            parameters.Dispose();
            throw;
        }
    }

    /// <summary>It may have held secrets.</summary>
    public void Dispose()
    {
        _budget.Return(_taken);
        _body.Wipe();
        _body.Dispose();
        Map.Wipe();
        Map.Dispose();
    }

    /// <summary>As it comes: what the caller may hold is asked for before more is taken.</summary>
    private async Task<OperationError?> ReadBodyAsync(HttpContext context)
    {
        var reader = context.Request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync(context.RequestAborted);
            // Twice: once as it came, once in the map.
            var bytes = 2 * read.Buffer.Length;
            if (!_budget.TryTake(bytes))
            {
                return new(ErrorCode.ResourceExhausted, "Too many large requests are being handled.", RetryAfterMs: 1000);
            }

            _taken += bytes;
            foreach (var part in read.Buffer)
            {
                _body.Write(part.Span);
            }

            reader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return null;
            }
        }
    }

    private OperationError? Translate(RestRoute route, HttpContext context)
    {
        var query = context.Request.Query;
        var isRaw = route.HasBody && context.Request.ContentType?.StartsWith(Raw, StringComparison.OrdinalIgnoreCase) == true;
        if (route.HasBody && !isRaw)
        {
            return query.Count > 0
                ? new(ErrorCode.InvalidArgument, "Parameters stand in the body; beside a body of application/octet-stream they stand in the query.", query.First().Key)
                : TranslateJson(route, context);
        }

        var writer = new MessagePackWriter(Map);
        var key = KeyOf(route, context);
        var data = isRaw ? RawFieldOf(route.Operation, query) : null;
        writer.WriteMapHeader(route.InPath.Count + query.Count + (key is null ? 0 : 1) + (data is null ? 0 : 1));
        WritePath(route, context, ref writer);
        WriteKey(key, ref writer);
        foreach (var (name, values) in query)
        {
            writer.WriteString(name);
            if (WriteQuery(route.Operation.Request.FirstOrDefault(f => f.Name == name), values, ref writer) is { } refusal)
            {
                return refusal;
            }
        }

        if (data is not null)
        {
            writer.WriteString(data);
            writer.WriteBinary(_body.WrittenSpan);
        }

        writer.Commit();
        return null;
    }

    private OperationError? TranslateJson(RestRoute route, HttpContext context)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(_body.Count == 0 ? "{}"u8.ToArray() : _body.WrittenMemory, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException fault)
        {
            return new(ErrorCode.InvalidArgument, $"The body is no JSON: {fault.Message}");
        }

        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                return new(ErrorCode.InvalidArgument, $"{route.Name} takes one object of parameters.");
            }

            try
            {
                var key = KeyOf(route, context);
                var writer = new MessagePackWriter(Map);
                writer.WriteMapHeader(document.RootElement.GetPropertyCount() + route.InPath.Count + (key is null ? 0 : 1));
                WritePath(route, context, ref writer);
                WriteKey(key, ref writer);
                var refusal = JsonParameters.WritePairs(route.Operation, document.RootElement, ref writer);
                writer.Commit();
                return refusal;
            }
            catch (InvalidOperationException)
            {
                // A text with half a surrogate, which is no text at all.
                return new(ErrorCode.InvalidArgument, "The body holds a text that is no valid Unicode.");
            }
        }
    }

    private static void WritePath(RestRoute route, HttpContext context, ref MessagePackWriter writer)
    {
        foreach (var field in route.InPath)
        {
            writer.WriteString(field.Name);
            writer.WriteString(context.Request.RouteValues[field.Name] as string ?? string.Empty);
        }
    }

    private static string? KeyOf(RestRoute route, HttpContext context) =>
        route.Operation.Request.Any(static f => f.Name == IdempotencyField) && context.Request.Headers.TryGetValue(IdempotencyHeader, out var key) ? key.ToString() : null;

    private static void WriteKey(string? key, ref MessagePackWriter writer)
    {
        if (key is not null)
        {
            writer.WriteString(IdempotencyField);
            writer.WriteString(key);
        }
    }

    /// <summary>What the bytes of a raw body are.</summary>
    private static string? RawFieldOf(Operation operation, IQueryCollection query) =>
        operation.Request.Any(static f => f.Name == "stdin") && query["kind"] == "exec" ? "stdin" : operation.Request.FirstOrDefault(static f => f.Type == FieldType.Bytes)?.Name;

    private static OperationError? WriteQuery(RequestField? field, StringValues values, ref MessagePackWriter writer)
    {
        if (field?.Type == FieldType.TextList)
        {
            writer.WriteArrayHeader(values.Count);
            foreach (var value in values)
            {
                writer.WriteString(value ?? string.Empty);
            }

            return null;
        }

        if (values.Count != 1)
        {
            return new(ErrorCode.InvalidArgument, $"'{field?.Name}' is given twice.", field?.Name);
        }

        switch (field?.Type)
        {
            case FieldType.Integer when long.TryParse(values[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number):
                writer.WriteInt64(number);
                break;
            case FieldType.Flag when values[0] is "true" or "false":
                writer.WriteBoolean(values[0] == "true");
                break;
            default:
                writer.WriteString(values[0] ?? string.Empty);
                break;
        }

        return null;
    }
}
