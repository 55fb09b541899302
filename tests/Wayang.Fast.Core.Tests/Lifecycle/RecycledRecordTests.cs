using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Tests.Lifecycle;

/// <summary>A slot's next task must have nothing of the last one: what it asked for may be another tenant's.</summary>
public class RecycledRecordTests
{
    [Fact]
    [Trait("Promise", "TR4")]
    public void TheNextTaskOfASlotHasNothingOfTheLastOne()
    {
        var table = new TaskTable(new TaskTableOptions(1, 0x123456), new ManualTime());
        Assert.True(table.TryRent(out var record));
        var command = new CommandLine(["/bin/true"], [], null);
        record.Command = command;
        record.Terms = new TaskTerms();
        _ = record.NeedLife();
        table.Return(record);

        Assert.True(table.TryRent(out var next));
        Assert.Same(record, next);
        Assert.Null(next.Command);
        Assert.Null(next.Terms);
        Assert.Null(next.Life);

        // One thing of its own must not bring the others of the last task back.
        next.Command = command;
        Assert.Null(next.Terms);
        Assert.Null(next.Life);
        Assert.Null(next.Artifacts);
        Assert.Null(next.Type);
        Assert.Null(next.Quota);
        Assert.Null(next.ResultKey);
    }
}
