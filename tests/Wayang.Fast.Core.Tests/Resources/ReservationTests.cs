using Wayang.Fast.Core.Resources;

namespace Wayang.Fast.Core.Tests.Resources;

[Trait("Promise", "RA2")]
public sealed class ReservationTests
{
    private const long Mega = 1 << 20;
    private static readonly TaskTypeKey s_key = new(0, "standard", "convert");

    [Fact]
    public void Declared_counts_until_enough_is_known_then_what_was_used()
    {
        var policy = new ReservationPolicy(0.95, MinSamples: 20, Headroom: 0.1);
        var type = new TaskType(s_key);
        for (var i = 0; i < 19; i++)
        {
            type.Learn(1000, 64 * (ulong)Mega, 1000);
        }

        Assert.Equal(new Reservation(256 * Mega, ReservationSource.Declared), policy.Of(256 * Mega, 256 * Mega, type));
        type.Learn(1000, 64 * (ulong)Mega, 1000);
        var learned = policy.Of(256 * Mega, 256 * Mega, type);
        Assert.Equal(ReservationSource.Learned, learned.Source);
        Assert.InRange(learned.Bytes, 64 * Mega, 64 * Mega * 5 / 4);
    }

    [Fact]
    public void Out_of_memory_raises_and_the_limit_bounds()
    {
        var policy = ReservationPolicy.Default;
        var type = new TaskType(s_key);
        type.LearnOutOfMemory(32 * Mega);
        Assert.Equal(new Reservation(48 * Mega, ReservationSource.Raised), policy.Of(32 * Mega, 0, type));
        Assert.Equal(40 * Mega, policy.Of(32 * Mega, 40 * Mega, type).Bytes);
        type.LearnOutOfMemory(16 * Mega); // an earlier attempt's: never lower again
        Assert.Equal(48 * Mega, type.MemoryFloor);
        Assert.Equal(2, type.OutOfMemory);
    }

    [Fact]
    public void Nothing_declared_or_learned_reserves_nothing() =>
        Assert.Equal(new Reservation(0, ReservationSource.None), ReservationPolicy.Default.Of(0, 0, null));

    [Fact]
    public void Types_survive_a_restart_and_damage_is_told()
    {
        var types = new TaskTypes(16);
        types.Get(s_key).Learn(5_000, 7 * (ulong)Mega, 4_000);
        types.Get(s_key).LearnOutOfMemory(3 * Mega);
        types.Get(new TaskTypeKey(3, "sha", "görüntü")).Learn(10, 0, 0);
        var bytes = types.Serialize();
        var again = new TaskTypes(16);
        Assert.Null(again.Restore(bytes));
        Assert.Equal(2, again.Count);
        Assert.True(again.TryFind(s_key, out var type));
        Assert.Equal(1, type.OutOfMemory);
        Assert.Equal(3 * Mega * 3 / 2, type.MemoryFloor);
        Assert.Equal(1, type.Memory.Seen);
        for (var cut = 0; cut < bytes.Length; cut += 97)
        {
            Assert.NotNull(new TaskTypes(16).Restore(bytes.AsSpan(0, cut)));
        }

        bytes[^1] ^= 1;
        Assert.Equal("its checksum is wrong", new TaskTypes(16).Restore(bytes));
    }

    [Fact]
    public void Number_of_types_is_bounded_and_what_is_met_stays()
    {
        var types = new TaskTypes(64);
        for (var i = 0; i < 10_000; i++)
        {
            types.Get(new TaskTypeKey(0, "standard", $"p{i}"));
            types.Get(s_key).Learn(1, 1, 1);
        }

        Assert.InRange(types.Count, 1, 64);
        Assert.True(types.TryFind(s_key, out var type));
        Assert.Equal(10_000, type.Run.Seen);
    }

    [Fact]
    public void Ledger_lends_what_is_there_and_keeps_it_for_the_one_that_waited_too_long()
    {
        const long patience = 100;
        var ledger = new MemoryLedger(patience) { Capacity = 100 };
        Assert.True(ledger.TryReserve(60, 30, now: 0));
        Assert.False(ledger.TryReserve(70, 30, now: 1));
        ledger.Wait(task: 7, 30, now: 1);
        Assert.True(ledger.TryReserve(30, 30, now: 2)); // a small one passes
        ledger.Release(30);
        Assert.False(ledger.TryReserve(30, 30, now: 101)); // no longer
        Assert.True(ledger.TryReserve(30, 40, now: 101)); // but a higher class does
        ledger.Release(30);
        Assert.False(ledger.TryTake(102, static _ => 70, out _, out _, out _));
        ledger.Release(60);
        Assert.True(ledger.TryTake(103, static _ => 70, out var task, out _, out var bytes));
        Assert.Equal((7, 70), (task, bytes));
        Assert.Equal(70, ledger.Reserved);
    }

    [Fact]
    public void Ledger_takes_by_level_then_age_and_lets_the_too_large_run_alone()
    {
        var ledger = new MemoryLedger(1000) { Capacity = 100 };
        Assert.True(ledger.TryReserve(500, 10, now: 0)); // nothing else is lent: it runs alone
        Assert.False(ledger.TryReserve(1, 10, now: 0));
        ledger.Wait(1, 10, 1);
        ledger.Wait(2, 30, 2);
        ledger.Wait(3, 30, 3);
        ledger.Wait(4, 5, 4);
        Assert.True(ledger.Remove(3, out _));
        Assert.False(ledger.Remove(3, out _));
        ledger.Release(500);
        var order = new List<int>();
        while (ledger.TryTake(5, static _ => 10, out var task, out _, out _))
        {
            order.Add(task);
        }

        Assert.Equal([2, 1, 4], order);
        Assert.Equal(30, ledger.Reserved);
    }
}
