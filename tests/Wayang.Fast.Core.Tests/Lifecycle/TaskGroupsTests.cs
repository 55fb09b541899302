using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Tests.Lifecycle;

public class TaskGroupsTests
{
    private readonly ManualTime _time = new();
    private readonly TaskGroups _groups;

    public TaskGroupsTests() => _groups = new TaskGroups(2, TimeSpan.FromMinutes(10), _time);

    private static TaskId Id(int number) => TaskId.Create(1, 1, 1, number);

    private TaskGroup Join(string name, int number, int tenant = 0)
    {
        Assert.Null(_groups.TryJoin(tenant, name, out var group));
        _groups.Add(group!, Id(number));
        return group!;
    }

    [Fact]
    public void GroupsAreListedByNameBehindAName()
    {
        var groups = new TaskGroups(10, TimeSpan.FromMinutes(10), _time);
        var order = new[] { "b", "a", "ä", "c" };
        for (var i = 0; i < order.Length; i++)
        {
            Assert.Null(groups.TryJoin(0, order[i], out var group));
            groups.Add(group!, Id(i));
            if (i == 1)
            {
                groups.Leave(group!, Id(i), TaskState.Failed);
            }
        }

        groups.TryJoin(1, "bb", out _); // another tenant's
        var page = groups.List(0, after: null, 2, out var more);
        Assert.True(more);
        Assert.Equal([("a", 0L), ("b", 1L)], page.Select(static g => (g.Group, g.Live)));
        Assert.Equal([(TaskState.Failed, 1L)], page[0].Ended.Select(static e => (e.Key, e.Value)));
        Assert.Equal(["c", "ä"], groups.List(0, "b", 2, out more).Select(static g => g.Group));
        Assert.False(more);
        _time.Advance(TimeSpan.FromMinutes(11));
        Assert.Equal(["b", "c", "ä"], groups.List(0, after: null, 9, out _).Select(static g => g.Group)); // one is forgotten
    }

    [Fact]
    public void AGroupCountsItsTasksAndTellsWhenNoneIsLeft()
    {
        Assert.False(_groups.TryAwaitEmpty(0, "g", out _));
        var group = Join("g", 1);
        Assert.Same(group, Join("g", 2));
        Assert.False(_groups.TryAwaitEmpty(1, "g", out _)); // of another tenant
        Assert.True(_groups.TryAwaitEmpty(0, "g", out var empty));
        _groups.Leave(group, Id(1), TaskState.Succeeded);
        _groups.Leave(group, Id(1), TaskState.Succeeded); // once
        Assert.False(empty.IsCompleted);
        Assert.True(_groups.TryGet(0, "g", out var live, out var ended));
        Assert.Equal([Id(2)], live);
        Assert.Equal(1, ended[(int)TaskState.Succeeded]);
        _groups.Leave(group, Id(2), TaskState.Failed);
        Assert.True(empty.IsCompleted);
        Assert.True(_groups.TryAwaitEmpty(0, "g", out empty) && empty.IsCompleted);
    }

    [Fact]
    public void APromisedPlaceThatIsNotTakenIsGivenBack()
    {
        Assert.Null(_groups.TryJoin(0, "g", out var group));
        Assert.True(_groups.TryAwaitEmpty(0, "g", out var empty));
        Assert.False(empty.IsCompleted);
        _groups.Withdraw(group!);
        Assert.True(empty.IsCompleted);
    }

    [Fact]
    public void GroupsAreBoundedAndForgottenWhenTheyAreOver()
    {
        var first = Join("a", 1);
        Join("b", 2);
        Assert.Equal((ErrorCode.ResourceExhausted, "group"), _groups.TryJoin(0, "c", out _) is { } error ? (error.Code, error.Field) : default);
        _groups.Leave(first, Id(1), TaskState.Succeeded);
        Join("c", 3);
        Assert.False(_groups.TryGet(0, "a", out _, out _)); // made room
        _groups.Leave(Join("b", 4), Id(4), TaskState.Succeeded);
        _groups.TryGet(0, "b", out var live, out _);
        Assert.Equal([Id(2)], live);
        _time.Advance(TimeSpan.FromMinutes(11));
        Assert.True(_groups.TryGet(0, "b", out _, out _)); // it has a task
    }

    [Fact]
    public void AKeyIsOneTaskUntilItIsForgotten()
    {
        var keys = new SubmissionKeys(new SubmissionKeyOptions(TimeSpan.FromMinutes(5), 2), _time);
        var terms = new IdempotencyTerms("k", new(0, 7));
        Assert.Null(keys.Find(0, terms, out _, out var repeated));
        Assert.False(repeated);
        keys.Add(0, terms, Id(1));
        Assert.Null(keys.Find(0, terms, out var id, out repeated));
        Assert.Equal((true, Id(1)), (repeated, id));
        var conflict = keys.Find(0, terms with { Fingerprint = new(0, 8) }, out _, out _)!;
        Assert.Equal((ErrorCode.Conflict, "idempotency_key"), (conflict.Code, conflict.Field));
        Assert.Contains(Id(1).ToString(), conflict.Message, StringComparison.Ordinal);
        Assert.Null(keys.Find(1, terms with { Fingerprint = new(0, 8) }, out _, out repeated)); // another tenant's
        Assert.False(repeated);
        keys.Add(1, terms with { Fingerprint = new(0, 8) }, Id(2));
        Assert.Equal(ErrorCode.ResourceExhausted, keys.Find(0, new IdempotencyTerms("other", new(0, 1)), out _, out _)!.Code);
        Assert.Equal((2, 1L, 1L), (keys.Count, keys.Repeats, keys.Conflicts));
        _time.Advance(TimeSpan.FromMinutes(6));
        Assert.Null(keys.Find(0, terms with { Fingerprint = new(0, 9) }, out _, out repeated));
        Assert.Equal((false, 0), (repeated, keys.Count));
    }
}
