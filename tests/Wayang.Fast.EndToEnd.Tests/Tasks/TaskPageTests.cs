using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>A list of tasks read page by page while tasks come: none twice, none left out, in its order; a cursor of anything else is refused.</summary>
[Trait("Promise", "COM1")]
public sealed class TaskPageTests : IAsyncLifetime
{
    private SocketNode _node = null!;
    private WayangClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _node = new SocketNode();
        _client = await _node.ConnectAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _node.DisposeAsync();
    }

    [Fact]
    public async Task Pages_hold_each_task_once_whatever_comes_in_between()
    {
        var image = await _client.PutImageAsync("c", await File.ReadAllBytesAsync(Plugins.GoodPath, TestContext.Current.CancellationToken), "pages");
        var first = new List<TaskId>();
        for (var i = 0; i < 23; i++)
        {
            first.Add((await _client.RunAsync(Contracts.Operations.TaskSpec.Call(image.Image, "echo", "x"u8.ToArray()))).Id);
        }

        var told = new List<TaskId>();
        string? cursor = null;
        var pages = 0;
        do
        {
            var page = await _client.ListTaskPageAsync(TaskState.Succeeded, 5, cursor);
            Assert.InRange(page.Tasks.Count, 1, 5);
            told.AddRange(page.Tasks.Select(static t => t.Id));
            cursor = page.Next;
            if (++pages < 4)
            {
                await _client.RunAsync(Contracts.Operations.TaskSpec.Call(image.Image, "echo", "y"u8.ToArray()));
            }
        }
        while (cursor is not null);

        Assert.Equal(26, told.Distinct().Count());
        Assert.Equal(told.Count, told.Distinct().Count());
        Assert.Equal(first, told.Take(23));
        Assert.Equal(told, (await _client.ListTasksAsync(TaskState.Succeeded)).Select(static t => t.Id));
        Assert.Null((await _client.ListTaskPageAsync(TaskState.Succeeded, 26, null)).Next);
    }

    [Fact]
    public async Task A_cursor_of_anything_else_is_refused()
    {
        var spec = Contracts.Operations.TaskSpec.Command("/bin/true");
        await _client.RunAsync(spec);
        await _client.RunAsync(spec);
        var next = (await _client.ListTaskPageAsync(TaskState.Succeeded, 1, null)).Next!;
        Assert.NotNull(next);
        Assert.Single((await _client.ListTaskPageAsync(TaskState.Succeeded, 1, next)).Tasks);
        var changed = (next[0] == 'A' ? 'B' : 'A') + next[1..];
        foreach (var (state, cursor) in new[] { (TaskState.Failed, next), (TaskState.Succeeded, "none"), (TaskState.Succeeded, "!"), (TaskState.Succeeded, changed), (TaskState.Succeeded, next[..^4]), (TaskState.Succeeded, next + "AAAA"), (TaskState.Succeeded, new string('A', 128)) })
        {
            var refused = await Assert.ThrowsAsync<WayangException>(() => _client.ListTaskPageAsync(state, 1, cursor));
            Assert.Equal((ErrorCode.InvalidArgument, "cursor"), (refused.Code, refused.Field));
        }
    }
}
