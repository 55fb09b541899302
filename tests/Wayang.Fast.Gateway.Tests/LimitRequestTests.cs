using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Xunit;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>A task's limits, through the client and a real socket.</summary>
[Trait("Promise", "RA1")]
public sealed class LimitRequestTests : IAsyncLifetime
{
    private readonly ServerFixture _fixture = new();
    private WayangClient _client = null!;

    public async ValueTask InitializeAsync() => _client = await _fixture.ConnectAsync();

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _fixture.DisposeAsync();
    }

    [Fact]
    public async Task Limits_arrive_as_they_were_given()
    {
        var limits = new TaskLimits { MemoryBytes = 1L << 30, ReservedBytes = 1 << 20, CpuMilli = 500, CpuWeight = 50, Pids = 64, DiskBytes = 1 << 24, Io = new IoRates(1 << 20, 2 << 20, 300, 400) };
        await _client.RunAsync(TaskSpec.Call("demo", "echo") with { Limits = limits });
        Assert.Equal(limits, _fixture.Tasks.LastTerms?.Limits);
        await _client.RunAsync(TaskSpec.Call("demo", "echo") with { Limits = new TaskLimits { Pids = 3 } });
        Assert.Equal(new TaskLimits { Pids = 3 }, _fixture.Tasks.LastTerms?.Limits);

        // None asked for is none at all: such a task has no terms.
        await _client.RunAsync(TaskSpec.Call("demo", "echo") with { Limits = new TaskLimits() });
        Assert.Null(_fixture.Tasks.LastTerms?.Limits);
        await _client.RunAsync(TaskSpec.Call("demo", "echo"));
        Assert.Null(_fixture.Tasks.LastTerms);
    }

    public static TheoryData<TaskLimits, string> Wrong => new()
    {
        { new TaskLimits { MemoryBytes = 1 }, "limits.memory_bytes" },
        { new TaskLimits { MemoryBytes = long.MaxValue }, "limits.memory_bytes" },
        { new TaskLimits { ReservedBytes = 1 }, "limits.reserved_bytes" },
        { new TaskLimits { CpuMilli = 9 }, "limits.cpu_milli" },
        { new TaskLimits { CpuWeight = 1001 }, "limits.cpu_weight" },
        { new TaskLimits { Pids = 4097 }, "limits.pids" },
        { new TaskLimits { DiskBytes = 4095 }, "limits.disk_bytes" },
        { new TaskLimits { Io = new IoRates(65535, 0, 0, 0) }, "limits.io_read_bytes_per_s" },
        { new TaskLimits { Io = new IoRates(0, 0, 0, IoRates.MostOps + 1) }, "limits.io_write_ops_per_s" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task A_limit_out_of_range_is_refused_by_name(TaskLimits limits, string field)
    {
        var error = await Assert.ThrowsAsync<WayangException>(() => _client.RunAsync(TaskSpec.Call("demo", "echo") with { Limits = limits }));
        Assert.Equal((ErrorCode.InvalidArgument, field), (error.Code, error.Field));
    }
}
