using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Xunit;

namespace Wayang.Fast.Ledger.Tests;

/// <summary>A disk that is full, read-only or damaged: submissions are refused with the reason, ends wait, nothing is told that is not stored.</summary>
[Trait("Promise", "TR4")]
public sealed class FailingDiskTests : SmallDiskFixture
{
    [Fact]
    public async Task On_a_full_disk_submissions_are_refused_and_ends_wait_for_room()
    {
        Mount();
        using var ledger = Open();
        var known = NextId();
        Assert.Null(await Within(Submit(ledger, known).Receipt));
        var ballast = Fill();
        OperationError? refusal = null;
        for (var i = 0; i < 200 && refusal is null; i++)
        {
            refusal = await Within(Submit(ledger, NextId(), new string('s', 8_000)).Receipt);
        }

        Assert.Equal(ErrorCode.Unavailable, refusal!.Code);
        Assert.Contains("full", refusal.Message, StringComparison.Ordinal);
        Assert.NotNull(ledger.Refusal);
        Assert.NotNull(ledger.Status.Problem);
        Assert.Equal(TaskState.Queued, ledger.Find(known)!.State); // it reads on

        var end = Finish(ledger, known, output: new string('o', 8_000));
        await Task.WhenAny(end.Receipt, Task.Delay(300));
        Assert.False(end.Receipt.IsCompleted);
        Assert.Equal(TaskState.Queued, ledger.Find(known)!.State);

        File.Delete(ballast);
        Assert.Null(await Within(end.Receipt));
        Assert.Equal(TaskState.Succeeded, ledger.Find(known)!.State);
        Assert.True(SpinWait.SpinUntil(() => ledger.Refusal is null, TimeSpan.FromSeconds(30)));
        Assert.Null(await Within(Submit(ledger, NextId()).Receipt));
        Assert.Contains(Changes, static c => c.Contains("full", StringComparison.Ordinal));
        Assert.Contains(Changes, static c => c.Contains("again", StringComparison.Ordinal));
    }

    [Fact]
    public async Task On_a_read_only_file_system_it_is_read_and_refuses()
    {
        Mount();
        var known = NextId();
        using (var ledger = Open())
        {
            await Within(Submit(ledger, known).Receipt);
        }

        Call("mount", "-o", "remount,ro", Directory);
        using var again = Open();
        Assert.Equal(ErrorCode.Unavailable, again.Refusal!.Code);
        Assert.Equal(known, Assert.Single(again.ReadLive()).Id);
        Call("mount", "-o", "remount,rw", Directory);
        Assert.True(SpinWait.SpinUntil(() => again.Refusal is null, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task A_damaged_page_is_found_and_told()
    {
        using (var ledger = Open())
        {
            for (var i = 0; i < 200; i++)
            {
                Submit(ledger, NextId(), new string('s', 500));
            }

            await Within(Submit(ledger, NextId()).Receipt);
        }

        using (var file = File.OpenWrite(FilePath))
        {
            file.Seek(4096 * 5, SeekOrigin.Begin);
            file.Write(Enumerable.Repeat((byte)0xA5, 4096).ToArray());
        }

        using var again = Open();
        Assert.Contains("damaged", again.Refusal!.Message, StringComparison.Ordinal);
        Assert.Null(again.Refusal.RetryAfterMs);
        Assert.Throws<LedgerUnreadableException>(() => again.ReadLive());
        Assert.Equal(ErrorCode.Unavailable, (await Within(Submit(again, NextId()).Receipt))!.Code);
    }

    [Fact]
    public void A_second_program_on_the_same_file_is_refused()
    {
        using var first = Open();
        using var second = Open();
        Assert.Null(first.Refusal);
        Assert.Contains("locked", second.Refusal!.Message, StringComparison.Ordinal);
    }
}
