using Wayang.Fast.Core.Lifecycle;

namespace Wayang.Fast.Core.Tests.Lifecycle;

/// <summary>Who is forgotten for whom: nobody's results are pushed out by somebody else's flood.</summary>
[Trait("Promise", "TR2")]
public class RetentionTests
{
    private static readonly TimeSpan s_kept = TimeSpan.FromSeconds(10);
    private readonly ManualTime _time = new();
    private readonly TaskTable _table;

    public RetentionTests() => _table = new TaskTable(new TaskTableOptions(4096, 1), _time);

    [Fact]
    public void A_tenants_large_outputs_push_out_its_own_oldest_ones()
    {
        var retention = Create(1000, maxBytes: 1000);
        var mine = Enumerable.Range(0, 8).Select(_ => Add(retention, tenant: 1, bytes: 50)).ToList();
        var theirs = Enumerable.Range(0, 20).Select(_ => Add(retention, tenant: 2, bytes: 100)).ToList();
        Assert.Equal(theirs.Take(14), TakeHeavy(retention));
        Assert.Equal(1000, retention.Bytes);
        Assert.Equal(14, retention.Count);
        Assert.Equal([.. mine, .. theirs.Skip(14)], TakeExpired(retention));
    }

    [Fact]
    public void What_holds_no_blocks_is_not_forgotten_for_bytes()
    {
        var retention = Create(1000, maxBytes: 150);
        var small = Enumerable.Range(0, 100).Select(_ => Add(retention, tenant: 1, bytes: 0)).ToList();
        var large = Enumerable.Range(0, 3).Select(_ => Add(retention, tenant: 1, bytes: 100)).ToList();
        Assert.Equal(large.Take(2), TakeHeavy(retention));
        Assert.Equal([.. small, large[2]], TakeExpired(retention));
        Assert.Equal((0, 0L), (retention.Count, retention.Bytes));
    }

    [Fact]
    public void Many_tasks_push_out_those_of_the_tenant_that_has_most()
    {
        var retention = Create(100, maxBytes: 1000);
        var mine = Enumerable.Range(0, 10).Select(_ => Add(retention, tenant: 0, bytes: 0)).ToList();
        var theirs = new List<TaskRecord>();
        for (var i = 0; i < 400; i++)
        {
            theirs.Add(Add(retention, tenant: 3, bytes: 0));
            while (retention.TryTakeExcess(out var taken))
            {
                Assert.Equal(3, taken.Tenant);
            }
        }

        Assert.True(retention.TryPeekNext(out var next));
        Assert.Same(theirs[310], next);
        Assert.Equal([.. mine, .. theirs.Skip(310)], TakeExpired(retention));
    }

    [Fact]
    public void Each_is_visited_once_in_the_order_of_the_ends()
    {
        var retention = Create(3, maxBytes: 1000);
        var first = Add(retention, 5, 0);
        var second = Add(retention, 1, 0);
        Assert.Equal([first, second], Visit(retention));
        var third = Add(retention, 5, 0);
        Assert.Equal([third], Visit(retention));
        Assert.Equal([first, second, third], TakeExpired(retention));
        Assert.Empty(Visit(retention));
        Assert.Equal([Add(retention, 2, 0)], Visit(retention));
    }

    /// <summary>Against a list that is searched from the front: the same are there, in the same order, whatever was taken before.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void It_holds_what_a_plain_list_would(int seed)
    {
        var random = new Random(seed);
        var retention = Create(60, maxBytes: 5000);
        var model = new List<(TaskRecord Record, long Bytes, long Ended)>();
        for (var step = 0; step < 20_000; step++)
        {
            if (!retention.IsFull && random.Next(3) > 0)
            {
                long bytes = random.Next(3) == 0 ? random.Next(1, 400) : 0;
                model.Add((Add(retention, random.Next(4), bytes), bytes, _time.GetTimestamp()));
            }

            _time.Advance(TimeSpan.FromMilliseconds(random.Next(300)));
            var now = _time.GetTimestamp();
            _ = Visit(retention);
            switch (random.Next(3))
            {
                case 0 when retention.TryTakeHeavy(out var heavy):
                    Assert.True(model.Sum(static m => m.Bytes) > 5000);
                    Assert.Same(model.First(m => m.Bytes > 0 && m.Record.Tenant == heavy.Tenant).Record, heavy);
                    Forget(heavy);
                    break;
                case 1 when retention.TryTakeExcess(out var excess):
                    Assert.True(model.Count > 60);
                    Assert.Same(model.First(m => m.Record.Tenant == excess.Tenant).Record, excess);
                    Forget(excess);
                    break;
                case 2 when retention.TryTakeExpired(now, out var expired):
                    Assert.Same(model[0].Record, expired);
                    Assert.True(now - model[0].Ended > s_kept.TotalSeconds * _time.TimestampFrequency);
                    Forget(expired);
                    break;
                default:
                    break;
            }

            Assert.Equal((model.Count, model.Sum(static m => m.Bytes)), (retention.Count, retention.Bytes));
        }

        void Forget(TaskRecord record)
        {
            model.RemoveAt(model.FindIndex(m => ReferenceEquals(m.Record, record)));
            _table.RecycleOwn(record);
        }
    }

    private Retention Create(int count, long maxBytes) => new(new RetentionOptions(count, s_kept, maxBytes), _time);

    private TaskRecord Add(Retention retention, int tenant, long bytes)
    {
        Assert.True(_table.TryRent(out var record));
        record.Tenant = tenant;
        retention.Append(record, bytes, _time.GetTimestamp());
        return record;
    }

    private static List<TaskRecord> Visit(Retention retention)
    {
        var seen = new List<TaskRecord>();
        while (retention.TryVisitNew(out var record))
        {
            seen.Add(record);
        }

        return seen;
    }

    private static List<TaskRecord> TakeHeavy(Retention retention)
    {
        var taken = new List<TaskRecord>();
        while (retention.TryTakeHeavy(out var record))
        {
            taken.Add(record);
        }

        return taken;
    }

    private List<TaskRecord> TakeExpired(Retention retention)
    {
        _time.Advance(s_kept + s_kept);
        var taken = new List<TaskRecord>();
        while (retention.TryTakeExpired(_time.GetTimestamp(), out var record))
        {
            taken.Add(record);
        }

        return taken;
    }
}
