using System.Text.Json;
using System.Text.Json.Nodes;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Gateway.Rest;

/// <summary>The OpenAPI 3.1 description of the routes, made of the table of operations: what it says is what requests are checked by.</summary>
public static class OpenApiDescription
{
    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    public static string Write()
    {
        var paths = new JsonObject();
        foreach (var route in RestRoute.All)
        {
            var path = route.Path.Replace("{**", "{", StringComparison.Ordinal);
            if (paths[path] is not JsonObject methods)
            {
                paths[path] = methods = [];
            }

            methods[route.Method.ToLowerInvariant()] = Describe(route);
        }

        var document = new JsonObject
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject
            {
                ["title"] = "Wayang runtime",
                ["version"] = "1.0.0",
                ["description"] = "Tasks in sandboxed workers. The operations are those of every other door, with the same names, bounds and refusals. Bytes are base64 in JSON.",
                ["license"] = new JsonObject { ["name"] = "Apache 2.0", ["identifier"] = "Apache-2.0" },
            },
            ["servers"] = new JsonArray(new JsonObject { ["url"] = "http://127.0.0.1:7803" }),
            ["security"] = new JsonArray(new JsonObject { ["bearer"] = new JsonArray() }),
            ["tags"] = new JsonArray([.. RestRoute.All.Select(TagOf).Distinct(StringComparer.Ordinal).Select(static tag => new JsonObject { ["name"] = tag, ["description"] = $"Operations on a {tag}." })]),
            ["paths"] = paths,
            ["components"] = new JsonObject
            {
                ["securitySchemes"] = new JsonObject { ["bearer"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer" } },
                ["schemas"] = new JsonObject
                {
                    ["TaskSpec"] = OpenApiSchemas.Of(OperationTable.TaskFields),
                    ["Problem"] = OpenApiSchemas.Problem(),
                },
                ["responses"] = new JsonObject { ["Problem"] = ProblemResponse() },
            },
        };
        return document.ToJsonString(s_indented);
    }

    private static string TagOf(RestRoute route) => route.Name[..route.Name.IndexOf('.', StringComparison.Ordinal)];

    private static JsonObject Describe(RestRoute route)
    {
        var operation = route.Operation;
        var described = new JsonObject
        {
            ["operationId"] = route.Answer == RestAnswer.Stream ? route.Name + ".stream" : route.Name,
            ["summary"] = operation.Doc,
            ["description"] = $"The operation {operation.Name}; open to tokens with the scope {string.Join(" or ", ScopeNames.Text(operation.Scopes).Split(','))}.",
            ["tags"] = new JsonArray(TagOf(route)),
        };
        var inPath = route.InPath;
        var parameters = new JsonArray();
        foreach (var field in inPath)
        {
            parameters.Add(Parameter(field, "path"));
        }

        foreach (var field in route.HasBody ? [] : operation.Request.Where(f => !inPath.Contains(f) && IsAsked(route, f)))
        {
            parameters.Add(Parameter(field, "query"));
        }

        if (operation.Request.Any(static f => f.Name == "idempotency_key"))
        {
            parameters.Add(new JsonObject
            {
                ["name"] = "Idempotency-Key", ["in"] = "header", ["description"] = "The same as idempotency_key in the body.", ["schema"] = new JsonObject { ["type"] = "string" },
            });
        }

        if (IsTagged(route))
        {
            parameters.Add(new JsonObject
            {
                ["name"] = "If-None-Match", ["in"] = "header", ["description"] = "The ETag of an earlier answer: if it still is the answer, 304 says so.", ["schema"] = new JsonObject { ["type"] = "string" },
            });
        }

        if (IsTagged(route) || route.Resource is not null)
        {
            parameters.Add(new JsonObject
            {
                ["name"] = "If-Match", ["in"] = "header", ["schema"] = new JsonObject { ["type"] = "string" },
                ["description"] = route.Resource is { } resource
                    ? $"The ETag of an answer of GET {resource.Path}: done only if it still is the answer, else 412." : "The ETag of an earlier answer: if it is not the answer any more, 412 says so.",
            });
        }

        if (parameters.Count > 0)
        {
            described["parameters"] = parameters;
        }

        if (route.HasBody)
        {
            described["requestBody"] = Body(operation, [.. operation.Request.Where(f => !inPath.Contains(f))]);
        }

        described["responses"] = Responses(route);
        return described;
    }

    private static bool IsTagged(RestRoute route) => route.IsConditional || route.Answer == RestAnswer.File;

    private static JsonObject Responses(RestRoute route)
    {
        var answer = Answer(route);
        var responses = new JsonObject { [route.Answer == RestAnswer.Created ? "201" : "200"] = answer };
        if (IsTagged(route))
        {
            answer["headers"] = new JsonObject
            {
                ["ETag"] = new JsonObject { ["description"] = "Names the content; to be given as If-None-Match.", ["schema"] = new JsonObject { ["type"] = "string" } },
            };
            responses["304"] = new JsonObject { ["description"] = "The caller has it already." };
        }

        if (IsTagged(route) || route.Resource is not null)
        {
            responses["412"] = new JsonObject { ["$ref"] = "#/components/responses/Problem" };
        }

        responses["default"] = new JsonObject { ["$ref"] = "#/components/responses/Problem" };
        return responses;
    }

    /// <summary>What a stream or a file decides itself is not asked for.</summary>
    private static bool IsAsked(RestRoute route, RequestField field) =>
        route.Answer switch
        {
            RestAnswer.Stream => field.Name != "wait_ms",
            RestAnswer.File => field.Name != "max_bytes",
            _ => true,
        };

    private static JsonObject Parameter(RequestField field, string place)
    {
        var parameter = new JsonObject { ["name"] = field.Name, ["in"] = place, ["description"] = field.Doc, ["schema"] = OpenApiSchemas.Of(field) };
        if (place == "path" || field.Required)
        {
            parameter["required"] = true;
        }

        return parameter;
    }

    private static JsonObject Body(Operation operation, IReadOnlyList<RequestField> fields)
    {
        var isTask = ReferenceEquals(operation.Request, OperationTable.TaskFields);
        var content = new JsonObject
        {
            ["application/json"] = new JsonObject
            {
                ["schema"] = isTask ? new JsonObject { ["$ref"] = "#/components/schemas/TaskSpec" } : OpenApiSchemas.Of(fields),
                ["example"] = OpenApiSchemas.ExampleOf(fields),
            },
        };
        if (fields.Any(static f => f.Type == FieldType.Bytes))
        {
            content["application/octet-stream"] = new JsonObject();
        }

        return new JsonObject { ["required"] = fields.Any(static f => f.Required), ["content"] = content };
    }

    private static JsonObject Answer(RestRoute route)
    {
        var schema = OpenApiSchemas.Of(route.Operation.Response);
        var example = OpenApiSchemas.ExampleOf(route.Operation.Response);
        var content = route.Answer switch
        {
            RestAnswer.File => new JsonObject { ["application/octet-stream"] = new JsonObject() },
            RestAnswer.Stream or RestAnswer.Events => new JsonObject
            {
                ["application/x-ndjson"] = new JsonObject { ["schema"] = schema },
                ["text/event-stream"] = new JsonObject { ["schema"] = new JsonObject { ["type"] = "string" } },
            },
            _ => new JsonObject { ["application/json"] = new JsonObject { ["schema"] = schema, ["example"] = example } },
        };
        return new JsonObject { ["description"] = route.Answer is RestAnswer.Stream or RestAnswer.Events ? "Pieces, as they come." : "The result.", ["content"] = content };
    }

    private static JsonObject ProblemResponse() => new()
    {
        ["description"] = "A refusal. Codes: " + string.Join(", ", WireNames.All<ErrorCode>().Skip(1)) + ".",
        ["content"] = new JsonObject
        {
            [RestProblem.ContentType] = new JsonObject
            {
                ["schema"] = new JsonObject { ["$ref"] = "#/components/schemas/Problem" },
                ["example"] = new JsonObject
                {
                    ["type"] = "urn:wayang:error:not_found", ["title"] = "not found", ["status"] = 404, ["detail"] = "No such task.", ["code"] = "not_found", ["field"] = "task",
                },
            },
        },
    };
}
