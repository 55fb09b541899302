using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Grpc.Core;
using Wayang.Fast.Gateway.Grpc.Wire;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Grpc;

/// <summary>
/// Messages that no client makes, of every method, and bytes that are no HTTP/2, while a witness gets right answers. WAYANG_TEST_LONG=1: a
/// million of them; WAYANG_TEST_SEED repeats a run.
/// </summary>
[Trait("Promise", "COM7")]
public sealed class GrpcFuzzTests(ITestOutputHelper output)
{
    private const int AtOnce = 32;
    private static readonly bool s_isLong = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1";

    [Fact]
    public async Task Mutated_messages_are_answered_and_harm_nobody()
    {
        await using var fixture = await GrpcFixture.StartAsync();
        var invoker = fixture.Invoke(GrpcFixture.Secret);
        var witness = fixture.Connect();
        var seed = Seed();
        var random = new Random(seed);
        var statuses = new Dictionary<StatusCode, int>();
        var count = s_isLong ? 1_000_000 : 8_000;
        for (var sent = 0; sent < count; sent += AtOnce)
        {
            foreach (var status in await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(_ => SendAsync(invoker, random))))
            {
                statuses[status] = statuses.GetValueOrDefault(status) + 1;
            }

            if (sent % (AtOnce * 16) == 0)
            {
                var data = random.Next().ToString(System.Globalization.CultureInfo.InvariantCulture);
                Assert.Equal(data, (await witness.TaskRunAsync(GrpcFixture.Call("echo_later", data), deadline: DateTime.UtcNow.AddSeconds(60))).Output.ToStringUtf8());
            }
        }

        output.WriteLine($"seed {seed}: {string.Join(", ", statuses.Select(static s => $"{s.Key} {s.Value}"))}");
        Assert.True(statuses.GetValueOrDefault(StatusCode.InvalidArgument) > count / 4, "the input reached nothing");
        Assert.False(statuses.ContainsKey(StatusCode.Internal) || statuses.ContainsKey(StatusCode.Unknown), string.Join(", ", statuses.Keys));
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task Bytes_that_are_no_http_end_their_connection_alone()
    {
        await using var fixture = await GrpcFixture.StartAsync();
        var witness = fixture.Connect(GrpcFixture.Secret);
        var seed = Seed();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray();
        var bytes = new byte[512];
        for (var i = 0; i < (s_isLong ? 20_000 : 300); i++)
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { SendTimeout = 20_000 };
            await socket.ConnectAsync(IPAddress.Loopback, fixture.Port);
            if (random.Next(2) == 0)
            {
                await socket.SendAsync(preface);
                await socket.SendAsync((byte[])[0, 0, 0, 4, 0, 0, 0, 0, 0]); // its settings, so that what follows is looked at as frames
            }

            random.NextBytes(bytes);
            bytes[0] = 0;
            bytes[1] = (byte)random.Next(2);
            bytes[3] = (byte)random.Next(10);
            try
            {
                await socket.SendAsync(bytes.AsMemory(0, random.Next(bytes.Length)));
            }
            catch (SocketException)
            {
                // Closed already.
            }
        }

        Assert.Equal("succeeded", (await witness.TaskRunAsync(GrpcFixture.Call("echo"), deadline: DateTime.UtcNow.AddSeconds(60))).State);
        Assert.Empty(fixture.Defects);
    }

    private static int Seed() => int.TryParse(Environment.GetEnvironmentVariable("WAYANG_TEST_SEED"), out var given) ? given : Environment.TickCount;

    private static async Task<StatusCode> SendAsync(CallInvoker invoker, Random random)
    {
        // Those that wait for something would be given up, which tells nothing.
        var methods = RuntimeReflection.Descriptor.Services[0].Methods.Where(static m => !m.IsClientStreaming && !m.IsServerStreaming).ToList();
        var method = methods[random.Next(methods.Count)];
        var message = Mutate(Whole(random).ToByteArray(), random);
        using var call = invoker.AsyncUnaryCall(RawMethods.Of(method.Name), host: null, new CallOptions(deadline: DateTime.UtcNow.AddSeconds(60)), message);
        try
        {
            await call.ResponseAsync;
            return StatusCode.OK;
        }
        catch (RpcException refused)
        {
            return refused.StatusCode;
        }
    }

    private static TaskSpec Whole(Random random)
    {
        var task = GrpcFixture.Call(random.Next(2) == 0 ? "echo" : "fill", "12");
        task.Argv.Add("a");
        task.Env["A"] = "b";
        task.Limits = new TaskLimits { Pids = 3 };
        task.Retry = new RetryTerms { MaxAttempts = 2, On = { "exit" } };
        task.Inputs.Add(new InputFile { Path = "x", Data = ByteString.CopyFromUtf8("y") });
        task.Secrets["s"] = ByteString.CopyFromUtf8("t");
        if (random.Next(3) == 0)
        {
            task.Argv.Clear();
            task.Env.Clear();
            task.Inputs.Clear();
            task.Secrets.Clear();
        }

        return task;
    }

    internal static byte[] Mutate(byte[] message, Random random)
    {
        for (var changes = random.Next(4); changes > 0 && message.Length > 0; changes--)
        {
            var at = random.Next(message.Length);
            switch (random.Next(4))
            {
                case 0:
                    message[at] = (byte)random.Next(256);
                    break;
                case 1:
                    message = message[..at];
                    break;
                case 2:
                    message = [.. message, .. message[at..]];
                    break;
                default:
                    message = [.. message[..at], (byte)random.Next(256), .. message[at..]];
                    break;
            }
        }

        return message;
    }
}
