using System.Globalization;
using System.IO.Compression;
using System.Numerics;
using System.Security.Cryptography;
using System.Text.Json;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Tasks;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Python;

/// <summary>Python jobs of many kinds, under both profiles, each compared with what .NET makes of the same.</summary>
[Trait("Promise", "TR1")]
public sealed class JobTests : IAsyncLifetime
{
    private PythonNode _node = null!;

    public async ValueTask InitializeAsync()
    {
        _node = new PythonNode();
        await _node.PutAsync(PythonNode.Source("jobs.py"));
    }

    public ValueTask DisposeAsync()
    {
        _node?.Dispose();
        return ValueTask.CompletedTask;
    }

    public static TheoryData<string, string, string> Texts => new()
    {
        { "big_integers", "3 2000", BigInteger.Pow(3, 2000).ToString(CultureInfo.InvariantCulture) },
        { "reverse_json", """{"b": "äö", "a": [1, 2.5, null]}""", """{"a":[null,2.5,1],"b":"öä"}""" },
        { "pickled", "some bytes", "same" },
        { "backtracking", new string('a', 20), "None" },
        { "decimals", "50", "0.14285714285714285714285714285714285714285714285714" },
        { "generators", "100", "338350 end" },
        { "nested_coroutines", "10", "285" },
        { "coroutine", "abc", "cba" },
        { "classes", "", "Point(x=1, y=2) {'x': 1, 'y': 9} 5" },
        { "deep", "5000", "5000" },
        { "too_deep", "", "caught" },
        { "unwinding", "", "try0,finally0,try1,except,finally1,KeyError" },
        { "cycles", "2000", "0" },
        { "waits", "", "False False True" },
        {
            "texts", "",
            """["Thursday 060", "a@b.c", [["a", "b,c"]], {"k": "v"}, "\u00e4<", "a%20b/%C3%A4", "AP8=", "e400", "00000000-0000-0000-0000-000000000005", 120]"""
        },
    };

    [Theory]
    [MemberData(nameof(Texts))]
    public async Task Job_answers_as_expected(string function, string input, string expected)
    {
        foreach (var profile in PythonNode.Profiles)
        {
            Assert.Equal(expected, await _node.TextAsync(function, input, profile));
        }
    }

    [Fact]
    public async Task Bytes_are_computed_as_dotnet_does()
    {
        var data = RandomNumberGenerator.GetBytes(100_000);
        byte[] hashes = [.. SHA256.HashData(data), .. SHA512.HashData(data)];
        Assert.Equal(hashes, (await _node.RunAsync("hashes", data)).Output);

        var packed = (await _node.RunAsync("deflate", data)).Output;
        using var inflated = new MemoryStream();
        await using (var zlib = new ZLibStream(new MemoryStream(packed), CompressionMode.Decompress))
        {
            await zlib.CopyToAsync(inflated, TestContext.Current.CancellationToken);
        }

        Assert.Equal(data, inflated.ToArray());
    }

    [Fact]
    public async Task Floating_point_is_the_same_to_the_last_bit()
    {
        var (x, v) = (1.0, 0.0);
        for (var i = 0; i < 10_000; i++)
        {
            v -= x * 0.001;
            x += v * 0.001;
        }

        byte[] expected = [.. BitConverter.GetBytes(x), .. BitConverter.GetBytes(v)];
        Assert.Equal(expected, (await _node.RunAsync("planets", "10000")).Output);
    }

    [Fact]
    public async Task Message_pack_goes_in_and_out_typed()
    {
        using var packed = new PooledBuffer(256);
        Write(packed, static (ref MessagePackWriter writer) =>
        {
            writer.WriteArrayHeader(5);
            writer.WriteInt64(-5_000_000_000);
            writer.WriteString("ä");
            writer.WriteBinary(new byte[300]);
            writer.WriteNil();
            writer.WriteUInt64(ulong.MaxValue);
        });
        var end = await _node.RunAsync("reverse_msgpack", packed.WrittenSpan.ToArray());
        Assert.True(end.State == TaskState.Succeeded, end.ToString());
        CheckReversed(end.Output);
    }

    private static void CheckReversed(byte[] output)
    {
        var reader = new MessagePackReader(output);
        Assert.True(reader.TryReadArrayHeader(out var count) && count == 5);
        Assert.True(reader.TryReadUInt64(out var largest) && largest == ulong.MaxValue);
        Assert.True(reader.TryReadNil());
        Assert.True(reader.TryReadBinary(out var bytes) && bytes.Length == 300);
        Assert.True(reader.TryReadString(out var text) && text.SequenceEqual("ä"u8));
        Assert.True(reader.TryReadInt64(out var number) && number == -5_000_000_000);
    }

    [Fact]
    public async Task Threads_run_where_the_profile_has_them_and_are_refused_where_not()
    {
        Assert.Contains("can't start new thread", await _node.TextAsync("threads"), StringComparison.Ordinal);
        var end = await _node.RunAsync("threads", "", "standard");
        Assert.Equal("6", end.Text);
        Assert.Equal(["thread 0", "thread 1", "thread 2", "thread 3"], end.Out.Trim().Split('\n').Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Numpy_computes_on_one_thread_and_draws_fresh_numbers()
    {
        Assert.SkipUnless(Directory.Exists("/usr/lib/python3/dist-packages/numpy"), "python3-numpy is not installed: ./build.sh deps installs it");
        await _node.PutAsync(PythonNode.Source("matrices.py"), "matrices");
        foreach (var profile in PythonNode.Profiles)
        {
            using var answer = JsonDocument.Parse(await _node.TextAsync("solve", """{"size": 60}""", profile, "matrices"));
            Assert.InRange(answer.RootElement.GetProperty("wrong").GetDouble(), 0, 1e-9);
            Assert.Equal(1770, answer.RootElement.GetProperty("first").GetDouble(), 6);
            Assert.Equal(0, answer.RootElement.GetProperty("eigen").GetDouble(), 6);
            var drawn = new HashSet<string>(StringComparer.Ordinal);
            for (var i = 0; i < 5; i++)
            {
                drawn.Add(await _node.TextAsync("draw", "", profile, "matrices", WorkerReuse.Never));
                drawn.Add(await _node.TextAsync("draw", "", profile, "matrices"));
            }

            Assert.Equal(10, drawn.Count);
        }
    }

    private delegate void Writing(ref MessagePackWriter writer);

    private static void Write(PooledBuffer buffer, Writing write)
    {
        var writer = new MessagePackWriter(buffer);
        write(ref writer);
        writer.Commit();
    }
}
