using System.Text.Json.Nodes;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Gateway.Rest;

/// <summary>Fields of the table as JSON Schema, with an example of each.</summary>
internal static class OpenApiSchemas
{
    private const string SomeTask = "06ZP4N2S9H8XQ3RK0T5V7W1YAB";
    private const string SomeBytes = "aGVsbG8=";
    private const string SomeTime = "2026-01-31T12:00:00.000Z";

    public static JsonObject Of(IReadOnlyList<RequestField> fields)
    {
        var schema = new JsonObject { ["type"] = "object", ["additionalProperties"] = false, ["properties"] = new JsonObject([.. fields.Select(static f => KeyValuePair.Create(f.Name, (JsonNode?)Of(f)))]) };
        var required = fields.Where(static f => f.Required).Select(static f => (JsonNode)f.Name).ToArray();
        if (required.Length > 0)
        {
            schema["required"] = new JsonArray(required);
        }

        return schema;
    }

    public static JsonObject Of(RequestField field)
    {
        var schema = field.Type switch
        {
            FieldType.Integer => new JsonObject { ["type"] = "integer", ["format"] = "int64", ["minimum"] = field.Min, ["maximum"] = field.Max },
            FieldType.TaskId => new JsonObject { ["type"] = "string", ["minLength"] = SomeTask.Length, ["maxLength"] = SomeTask.Length },
            FieldType.Choice => new JsonObject { ["type"] = "string", ["enum"] = new JsonArray([.. field.Choices.Select(static c => (JsonNode)c)]) },
            FieldType.Flag => new JsonObject { ["type"] = "boolean" },
            FieldType.Bytes => Bytes(),
            FieldType.TextList => List(new JsonObject { ["type"] = "string" }, field),
            FieldType.TaskList => List(new JsonObject { ["$ref"] = "#/components/schemas/TaskSpec" }, field),
            FieldType.MapList => List(Of(field.Map!.Request), field),
            FieldType.Map => Of(field.Map!.Request),
            FieldType.BytesMap => new JsonObject { ["type"] = "object", ["additionalProperties"] = Bytes() },
            FieldType.Environment => new JsonObject { ["type"] = "object", ["additionalProperties"] = new JsonObject { ["type"] = "string" } },
            _ => new JsonObject { ["type"] = "string", ["maxLength"] = field.Max },
        };
        schema["description"] = field.Doc;
        return schema;
    }

    public static JsonObject Of(IReadOnlyList<ResponseField> fields) => new()
    {
        ["type"] = "object",
        ["properties"] = new JsonObject([.. fields.Select(static f => KeyValuePair.Create(f.Name, (JsonNode?)Of(f)))]),
        ["required"] = new JsonArray([.. fields.Where(static f => !f.Optional).Select(static f => (JsonNode)f.Name)]),
    };

    public static JsonObject Problem() => new()
    {
        ["type"] = "object",
        ["properties"] = new JsonObject
        {
            ["type"] = new JsonObject { ["type"] = "string", ["description"] = "urn:wayang:error: and the code." },
            ["title"] = new JsonObject { ["type"] = "string", ["description"] = "The code in words." },
            ["status"] = new JsonObject { ["type"] = "integer", ["description"] = "The status of the answer." },
            ["detail"] = new JsonObject { ["type"] = "string", ["description"] = "What, where and what to do." },
            ["code"] = new JsonObject { ["type"] = "string", ["enum"] = new JsonArray([.. WireNames.All<ErrorCode>().Skip(1).Select(static c => (JsonNode)c)]) },
            ["field"] = new JsonObject { ["type"] = "string", ["description"] = "Which parameter." },
            ["retry_after_ms"] = new JsonObject { ["type"] = "integer", ["description"] = "When to try again." },
        },
        ["required"] = new JsonArray("type", "title", "status", "detail", "code"),
    };

    /// <summary>What must be there, and for a task what makes it one.</summary>
    public static JsonObject ExampleOf(IReadOnlyList<RequestField> fields)
    {
        if (ReferenceEquals(fields, OperationTable.TaskFields) || fields.SequenceEqual(OperationTable.TaskFields))
        {
            return new JsonObject { ["kind"] = "exec", ["argv"] = new JsonArray("/bin/echo", "hello") };
        }

        var asked = fields.Where(static f => f.Required).ToList();
        return new JsonObject([.. (asked.Count > 0 ? asked : [.. fields.Take(1)]).Select(static f => KeyValuePair.Create(f.Name, ExampleOf(f)))]);
    }

    public static JsonObject ExampleOf(IReadOnlyList<ResponseField> fields) =>
        new([.. fields.Where(static f => !f.Optional).Select(static f => KeyValuePair.Create(f.Name, (JsonNode?)ExampleOf(f.Type)))]);

    private static JsonNode? ExampleOf(RequestField field) => field.Type switch
    {
        FieldType.Integer => field.Min,
        FieldType.TaskId => SomeTask,
        FieldType.Choice => field.Choices[0],
        FieldType.Flag => true,
        FieldType.Bytes => SomeBytes,
        FieldType.TaskList => new JsonArray(ExampleOf(OperationTable.TaskFields)),
        FieldType.TextList => new JsonArray("text"),
        _ => field.Name == "kind" ? "python" : "text",
    };

    private static JsonObject Of(ResponseField field)
    {
        var schema = field.Type switch
        {
            "integer" => new JsonObject { ["type"] = "integer", ["format"] = "int64" },
            "boolean" => new JsonObject { ["type"] = "boolean" },
            "bytes" => Bytes(),
            "map" => new JsonObject { ["type"] = "object" },
            "list of text" => new JsonObject { ["type"] = "array", ["items"] = new JsonObject { ["type"] = "string" } },
            "list of map" => new JsonObject { ["type"] = "array", ["items"] = new JsonObject { ["type"] = "object" } },
            _ => new JsonObject { ["type"] = "string" },
        };
        schema["description"] = field.Doc;
        return schema;
    }

    private static JsonNode ExampleOf(string type) => type switch
    {
        "integer" => 1,
        "boolean" => true,
        "bytes" => SomeBytes,
        "map" => new JsonObject(),
        "list of text" => new JsonArray("text"),
        "list of map" => new JsonArray(),
        "id" => SomeTask,
        "time" => SomeTime,
        _ => "text",
    };

    private static JsonObject Bytes() => new() { ["type"] = "string", ["contentEncoding"] = "base64" };

    private static JsonObject List(JsonObject items, RequestField field) => new() { ["type"] = "array", ["items"] = items, ["minItems"] = field.Min, ["maxItems"] = field.Max };
}
