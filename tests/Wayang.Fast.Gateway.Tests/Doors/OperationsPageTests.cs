using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Grpc;
using Wayang.Fast.Gateway.Grpc.Wire;
using Wayang.Fast.Gateway.Rest;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Doors;

/// <summary>Every operation of the table is served by every door, or stands below with its reason; docs/operations.md tells it all. WAYANG_WRITE_DOCS=1 writes the page.</summary>
[Trait("Promise", "COM1")]
public sealed class OperationsPageTests
{
    private static readonly Dictionary<string, string> s_withoutMethod = new(StringComparer.Ordinal)
    {
        ["session.open"] = "each call shows its token",
    };

    private static readonly Dictionary<string, string> s_withoutRoute = new(StringComparer.Ordinal)
    {
        ["session.open"] = "each request shows its token",
    };

    /// <summary>Streams that do the same again and again.</summary>
    private static readonly Dictionary<string, string> s_furtherMethods = new(StringComparer.Ordinal)
    {
        ["task.output"] = "TaskFollow", ["task.run"] = "TaskSession",
    };

    [Fact]
    public void Every_operation_is_served_by_every_door()
    {
        var methods = RuntimeReflection.Descriptor.Services[0].Methods.Select(static m => m.Name).ToHashSet(StringComparer.Ordinal);
        var routes = RestRoute.All.Select(static r => r.Name).ToHashSet(StringComparer.Ordinal);
        var gaps = OperationTable.All.Where(o => methods.Contains(MethodNames.Of(o)) == s_withoutMethod.ContainsKey(o.Name)).Select(static o => $"gRPC: {o.Name} (a method {MethodNames.Of(o)} in runtime.proto)")
            .Concat(OperationTable.All.Where(o => routes.Contains(o.Name) == s_withoutRoute.ContainsKey(o.Name)).Select(static o => $"REST: {o.Name} (a row in RestRoute.All)"));
        Assert.Empty(gaps);
    }

    [Fact]
    public void The_page_of_operations_is_up_to_date()
    {
        var page = Write();
        var path = Path.Combine(RepositoryRoot.Find(), "docs/operations.md");
        if (Environment.GetEnvironmentVariable("WAYANG_WRITE_DOCS") == "1")
        {
            File.WriteAllText(path, page);
        }

        Assert.True(File.Exists(path) && File.ReadAllText(path) == page, $"{path} is not what the table says: run this test with WAYANG_WRITE_DOCS=1");
    }

    private static string Write()
    {
        var page = new StringBuilder();
        page.Append("# Operations\n\nMade of the table of operations (`Contracts/Operations`) by `OperationsPageTests`: do not edit. The doors beside MessagePack-RPC: [grpc.md](grpc.md), [rest.md](rest.md).\n\n");
        page.Append("| operation | | scope | MessagePack-RPC | gRPC | REST |\n|---|---|---|---|---|---|\n");
        foreach (var operation in OperationTable.All)
        {
            var scopes = ScopeNames.Text(operation.Scopes).Replace(",", " or ", StringComparison.Ordinal);
            var method = s_withoutMethod.TryGetValue(operation.Name, out var why) ? $"no: {why}"
                : $"`{MethodNames.Of(operation)}`" + (s_furtherMethods.TryGetValue(operation.Name, out var further) ? $", `{further}`" : "");
            var routes = s_withoutRoute.TryGetValue(operation.Name, out var reason)
                ? $"no: {reason}" : string.Join(", ", RestRoute.All.Where(r => r.Name == operation.Name).Select(static r => $"`{r.Method} {r.Path}`"));
            page.Append(CultureInfo.InvariantCulture, $"| `{operation.Name}`{(operation.IsAudited ? " \\*" : "")} | {Cell(operation.Doc)} | {scopes} | `{operation.Name}` | {method} | {routes} |\n");
        }

        page.Append("\n\\* is written into the audit log, refused attempts at it too ([auth.md](auth.md)).\n");
        page.Append("\n## Refusals\n\n| code | gRPC | REST |\n|---|---|---|\n");
        foreach (var code in Enum.GetValues<ErrorCode>().Skip(1))
        {
            page.Append(CultureInfo.InvariantCulture, $"| `{WireNames.Text(code)}` | {GrpcFailure.StatusOf(code)} | {RestProblem.StatusOf(code)} |\n");
        }

        WriteFields(page, "## What describes a task\n\nTaken by `task.run` and `task.submit`, and by `task.submit_many` for each.", OperationTable.TaskFields);
        foreach (var operation in OperationTable.All)
        {
            page.Append(CultureInfo.InvariantCulture, $"\n## {operation.Name}\n\n{operation.Doc}\n");
            if (operation.Request.Count > 0 && operation.Request[0].Name != "kind")
            {
                WriteFields(page, "Parameters:", operation.Request);
            }
            else if (operation.Kind == OperationKind.ImagePut)
            {
                WriteFields(page, "Parameters:", operation.Request);
            }

            page.Append("\n| result | type | |\n|---|---|---|\n");
            foreach (var field in operation.Response)
            {
                page.Append(CultureInfo.InvariantCulture, $"| `{field.Name}`{(field.Optional ? "?" : "")} | {field.Type} | {Cell(field.Doc)} |\n");
            }
        }

        return page.ToString();
    }

    private static void WriteFields(StringBuilder page, string heading, IReadOnlyList<RequestField> fields)
    {
        page.Append(CultureInfo.InvariantCulture, $"\n{heading}\n\n| parameter | type | |\n|---|---|---|\n");
        foreach (var field in fields)
        {
            page.Append(CultureInfo.InvariantCulture, $"| `{field.Name}`{(field.Required ? "" : "?")} | {TypeOf(field)} | {Cell(field.Doc)} |\n");
            foreach (var part in field.Map?.Request ?? [])
            {
                page.Append(CultureInfo.InvariantCulture, $"| `{field.Name}.{part.Name}`{(part.Required ? "" : "?")} | {TypeOf(part)} | {Cell(part.Doc)} |\n");
            }
        }
    }

    private static string TypeOf(RequestField field) => field.Type switch
    {
        FieldType.Choice => string.Join(", ", field.Choices),
        FieldType.Integer => string.Create(CultureInfo.InvariantCulture, $"integer, {field.Min} to {field.Max}"),
        FieldType.Bytes => string.Create(CultureInfo.InvariantCulture, $"bytes, at most {field.Max}"),
        FieldType.TaskId => "id",
        FieldType.TextList => "list of text",
        FieldType.TaskList => "list of tasks",
        FieldType.MapList => "list of maps",
        FieldType.BytesMap => "map of bytes",
        FieldType.Environment => "map of text",
        FieldType.Flag => "true or false",
        FieldType.Map => "map",
        _ => string.Create(CultureInfo.InvariantCulture, $"text, at most {field.Max} bytes"),
    };

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);
}
