using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Xunit;

namespace Wayang.Fast.Contracts.Tests;

[Trait("Promise", "COM3")]
public sealed class OperationTableTests
{
    [Fact]
    public void The_table_is_whole()
    {
        Assert.Equal(Enum.GetValues<OperationKind>(), OperationTable.All.Concat(PeerFields.BetweenNodes).Select(static operation => operation.Kind));
        Assert.All(PeerFields.BetweenNodes, static operation =>
        {
            Assert.Equal(OperationScopes.Peer, operation.Scopes); // of nodes, and nobody else
            Assert.StartsWith("peer.", operation.Name, StringComparison.Ordinal);
            Assert.Same(operation, OperationTable.FindBetweenNodes(Encoding.UTF8.GetBytes(operation.Name)));
        });
        Assert.DoesNotContain(OperationTable.All, static operation => operation.Scopes.HasFlag(OperationScopes.Peer) && operation.Kind != OperationKind.SessionOpen);
        Assert.False(ScopeNames.TryParse("peer", out _), "a token must not be able to have it");
        Assert.Equal(TaskField.Count, OperationTable.TaskFields.Count);
        Assert.Equal("reuse", OperationTable.TaskFields[TaskField.Reuse].Name);
        Assert.Equal("data", OperationTable.TaskFields[TaskField.Data].Name);
        foreach (var operation in OperationTable.All)
        {
            Assert.Same(operation, OperationTable.Find(Encoding.UTF8.GetBytes(operation.Name)));
            Assert.True(operation.Request.Count <= OperationTable.MaxFields);
            Assert.All(operation.Request, static field => Assert.NotEmpty(field.Doc));
            Assert.True(operation.Scopes != OperationScopes.None, $"{operation.Name} says no scope: who may ask for it?");
            Assert.Matches("^[a-z]+\\.[a-z_]+$", operation.Name);
            Assert.Equal(operation.Request.Count, operation.Request.Select(static field => field.Name).Distinct().Count());
        }
    }

    [Fact]
    public void Wire_names_are_dense_and_come_back()
    {
        Dense<TaskState>();
        Dense<TaskKind>();
        Dense<CauseType>();
        Dense<ErrorCode>();
        Dense<TaskClass>();
        Dense<WorkerReuse>();
        Assert.Equal("out_of_memory", WireNames.Text(CauseType.OutOfMemory));
        Assert.Equal("timed_out", WireNames.Text(TaskState.TimedOut));
        Assert.Equal("invalid_argument", WireNames.Text(ErrorCode.InvalidArgument));
    }

    [Fact]
    public void An_unknown_key_is_named_and_the_nearest_suggested()
    {
        var error = Read("task.run", static (ref MessagePackWriter writer) =>
        {
            writer.WriteMapHeader(1);
            writer.WriteString("funktion");
            writer.WriteString("x");
        });
        Assert.Equal(ErrorCode.InvalidArgument, error!.Code);
        Assert.Equal("funktion", error.Field);
        Assert.Contains("'function'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("priority", 64)]
    [InlineData("priority", -1)]
    [InlineData("timeout_ms", -1)]
    public void A_number_out_of_range_names_its_field(string field, long value)
    {
        var error = Read("task.run", (ref MessagePackWriter writer) =>
        {
            writer.WriteMapHeader(1);
            writer.WriteString(field);
            writer.WriteInt64(value);
        });
        Assert.Equal(field, error!.Field);
    }

    [Fact]
    public void A_missing_or_doubled_field_is_an_error_and_nil_means_not_given()
    {
        Assert.Equal("task", Read("task.get", static (ref MessagePackWriter writer) => writer.WriteMapHeader(0))!.Field);
        Assert.Equal("task", Read("task.get", static (ref MessagePackWriter writer) =>
        {
            writer.WriteMapHeader(1);
            writer.WriteString("task");
            writer.WriteNil();
        })!.Field);
        Assert.Contains("twice", Read("image.put", static (ref MessagePackWriter writer) =>
        {
            writer.WriteMapHeader(2);
            writer.WriteString("kind");
            writer.WriteString("c");
            writer.WriteString("kind");
            writer.WriteString("c");
        })!.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null, 32)]
    [InlineData(TaskClass.Urgent, null, 48)]
    [InlineData(TaskClass.Batch, 23, 23)]
    [InlineData(null, 3, 3)]
    [InlineData(TaskClass.Idle, null, 4)]
    public void Priorities_resolve(TaskClass? taskClass, int? priority, int level)
    {
        Assert.Null(PriorityLevels.Resolve(taskClass, priority, out var resolved));
        Assert.Equal(level, resolved);
    }

    [Theory]
    [InlineData(TaskClass.System, null, ErrorCode.PermissionDenied)]
    [InlineData(null, 56, ErrorCode.PermissionDenied)]
    [InlineData(TaskClass.Batch, 24, ErrorCode.InvalidArgument)]
    public void Priorities_outside_are_refused(TaskClass? taskClass, int? priority, ErrorCode code) =>
        Assert.Equal(code, PriorityLevels.Resolve(taskClass, priority, out _)!.Code);

    private delegate void Encoder(ref MessagePackWriter writer);

    private static OperationError? Read(string name, Encoder encode)
    {
        using var buffer = new PooledBuffer(64);
        var writer = new MessagePackWriter(buffer);
        encode(ref writer);
        writer.Commit();
        var reader = new MessagePackReader(buffer.WrittenSpan);
        return ParameterReader.Read(OperationTable.Find(Encoding.UTF8.GetBytes(name))!, ref reader, new ParameterSlot[OperationTable.MaxFields]);
    }

    private static void Dense<T>()
        where T : unmanaged, Enum
    {
        var values = Enum.GetValues<T>();
        for (var i = 0; i < values.Length; i++)
        {
            Assert.Equal(i, Convert.ToInt32(values[i], System.Globalization.CultureInfo.InvariantCulture));
            Assert.True(WireNames.TryParse<T>(WireNames.All<T>()[i], out var back));
            Assert.Equal(values[i], back);
        }
    }
}
