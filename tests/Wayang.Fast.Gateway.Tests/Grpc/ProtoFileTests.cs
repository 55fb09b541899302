using System.Text;
using Google.Protobuf.Reflection;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Grpc;
using Wayang.Fast.Gateway.Grpc.Wire;
using Wayang.Fast.Gateway.Tests.Doors;
using Xunit;
using FieldType = Wayang.Fast.Contracts.Operations.FieldType;
using ProtoType = Google.Protobuf.Reflection.FieldType;

namespace Wayang.Fast.Gateway.Tests.Grpc;

/// <summary>The proto files say what the table of operations says: every operation, every parameter, every key of a result, and a comment at each.</summary>
[Trait("Promise", "COM1")]
public sealed class ProtoFileTests
{
    /// <summary>Operations without a method, and why.</summary>
    private static readonly Dictionary<string, string> s_exempt = new(StringComparer.Ordinal)
    {
        ["session.open"] = "each call shows its token in its metadata: there is no session to open",
    };

    private static readonly ServiceDescriptor s_service = RuntimeReflection.Descriptor.Services[0];

    [Fact]
    public void Every_operation_has_its_method_and_every_method_its_operation()
    {
        var wanted = OperationTable.All.Where(static o => !s_exempt.ContainsKey(o.Name)).Select(MethodNames.Of);
        Assert.Equal(
            wanted.Append("TaskFollow").Append("TaskSession").Order(StringComparer.Ordinal), s_service.Methods.Select(static m => m.Name).Order(StringComparer.Ordinal));
        Assert.All(s_exempt.Keys, static name => Assert.NotNull(OperationTable.Find(Encoding.UTF8.GetBytes(name))));
    }

    [Fact]
    public void Every_parameter_is_a_field_of_its_name_and_type_and_there_is_no_other()
    {
        var faults = new List<string>();
        foreach (var operation in Served())
        {
            CompareRequest(operation.Name, operation.Request, s_service.FindMethodByName(MethodNames.Of(operation)).InputType, faults);
        }

        Assert.True(faults.Count == 0, "The proto files (src/Wayang.Fast.Contracts/Proto) and the table of operations differ; give what is new the next free number:\n" + string.Join('\n', faults));
    }

    [Fact]
    public void Every_key_of_a_result_is_a_field_and_there_is_no_other()
    {
        var faults = new List<string>();
        foreach (var operation in Served())
        {
            var message = s_service.FindMethodByName(MethodNames.Of(operation)).OutputType;
            foreach (var key in operation.Response)
            {
                if (message.FindFieldByName(key.Name) is not { } field)
                {
                    faults.Add($"{operation.Name}: {message.Name} has no '{key.Name}' ({key.Type})");
                }
                else if (!Fits(key.Type, field))
                {
                    faults.Add($"{operation.Name}: {message.Name}.{key.Name} is {field.FieldType}, the table says {key.Type}");
                }
            }

            faults.AddRange(message.Fields.InDeclarationOrder().Where(f => operation.Response.All(k => k.Name != f.Name)).Select(f => $"{operation.Name}: the table has no '{f.Name}', {message.Name} has"));
        }

        Assert.True(faults.Count == 0, "The proto files (src/Wayang.Fast.Contracts/Proto) and the table of operations differ; give what is new the next free number:\n" + string.Join('\n', faults));
    }

    [Fact]
    public void Every_message_field_and_method_has_a_comment()
    {
        var faults = new List<string>();
        foreach (var file in Directory.EnumerateFiles(Path.Combine(RepositoryRoot.Find(), "src/Wayang.Fast.Contracts/Proto"), "*.proto", SearchOption.AllDirectories))
        {
            var lines = File.ReadAllLines(file);
            for (var i = 1; i < lines.Length; i++)
            {
                var line = lines[i].Trim();
                var says = line.StartsWith("message ", StringComparison.Ordinal) || line.StartsWith("rpc ", StringComparison.Ordinal)
                    || (line.EndsWith(';') && lines[i].StartsWith("  ", StringComparison.Ordinal));
                if (says && !lines[i - 1].TrimStart().StartsWith("//", StringComparison.Ordinal))
                {
                    faults.Add($"{Path.GetFileName(file)}:{i + 1}: {line}");
                }
            }
        }

        Assert.Empty(faults);
    }

    private static IEnumerable<Operation> Served() => OperationTable.All.Where(static o => !s_exempt.ContainsKey(o.Name));

    private static void CompareRequest(string where, IReadOnlyList<RequestField> wanted, MessageDescriptor message, List<string> faults)
    {
        foreach (var parameter in wanted)
        {
            if (message.FindFieldByName(parameter.Name) is not { } field)
            {
                faults.Add($"{where}: {message.Name} has no '{parameter.Name}' ({parameter.Type})");
                continue;
            }

            if (!Fits(parameter.Type, field))
            {
                faults.Add($"{where}: {message.Name}.{parameter.Name} is {field.FieldType}, the table says {parameter.Type}");
            }
            else if (parameter.Map is { } map)
            {
                CompareRequest($"{where}.{parameter.Name}", map.Request, field.MessageType, faults);
            }
        }

        // What replies alone have is said so there; a request with it is refused as one with an unknown key.
        faults.AddRange(
            from field in message.Fields.InDeclarationOrder()
            where wanted.All(p => p.Name != field.Name) && field.FullName is not ("wayang.runtime.v1.TaskLimits.not_enforced" or "wayang.runtime.v1.TaskLimits.disk_place")
            select $"{where}: the table has no '{field.Name}', {message.Name} has");
    }

    private static bool Fits(FieldType type, FieldDescriptor field) => type switch
    {
        FieldType.Bytes => Is(field, ProtoType.Bytes),
        FieldType.Integer => Is(field, ProtoType.Int64),
        FieldType.Flag => Is(field, ProtoType.Bool),
        FieldType.TextList => field is { IsRepeated: true, FieldType: ProtoType.String },
        FieldType.Environment or FieldType.BytesMap => field.IsMap,
        FieldType.TaskList or FieldType.MapList => field is { IsRepeated: true, IsMap: false, FieldType: ProtoType.Message },
        FieldType.Map => Is(field, ProtoType.Message),
        _ => Is(field, ProtoType.String),
    };

    private static bool Fits(string type, FieldDescriptor field) => type switch
    {
        "bytes" => Is(field, ProtoType.Bytes),
        "integer" => Is(field, ProtoType.Int64),
        "boolean" => Is(field, ProtoType.Bool),
        "list of text" => field is { IsRepeated: true, FieldType: ProtoType.String },
        "list of map" => field is { IsRepeated: true, IsMap: false, FieldType: ProtoType.Message },
        "map" => field.IsMap || Is(field, ProtoType.Message),
        _ => Is(field, ProtoType.String),
    };

    private static bool Is(FieldDescriptor field, ProtoType type) => !field.IsRepeated && field.HasPresence && field.FieldType == type;
}
