using System.Net.Sockets;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Xunit;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>
/// Over real sockets, before and after the session, whole and in pieces: well-formed requests with parameters of every kind and
/// size but the right one, and mutated bytes, while a witness on a connection of its own gets right answers. WAYANG_TEST_LONG=1: a million of them; WAYANG_TEST_SEED repeats a run.
/// </summary>
[Trait("Promise", "COM7")]
public sealed class FuzzTests(ITestOutputHelper output)
{
    private const string Secret = "wayang_of-a-test";
    private static readonly string[] s_words = ["", "call", "exec", "demo", "echo", "echo_later", "A=b", "a\0b", "/", "urgent", "c", "0000000000000000000000000A", new('x', 5000)];

    private const int Fewest = 50_000;
    private const int Most = 1_000_000;
    private const int BetweenWitnesses = 2_500;

    private static readonly int s_inputs = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1" ? Most : Fewest;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Mutated_input_harms_nobody_else(bool overTcp)
    {
        var defects = new List<Exception>();
        await using var fixture = new ServerFixture(options => ServerFixture.OverTcp(
            options with { OnDefect = defect => { lock (defects) { defects.Add(defect); } } }, new TokenStore([ServerFixture.Token(Secret)])));
        await using var witness = await (overTcp ? fixture.ConnectTcpAsync(Secret) : fixture.ConnectAsync());
        var seed = int.TryParse(Environment.GetEnvironmentVariable("WAYANG_TEST_SEED"), out var given) ? given : Environment.TickCount;
        output.WriteLine($"seed {seed} (WAYANG_TEST_SEED={seed} repeats it), {s_inputs / 2} inputs");
        var random = new Random(seed);
        var corpus = Corpus();
        var attacker = new Attacker(fixture, overTcp, random);
        for (var i = 0; i < s_inputs / 2; i++)
        {
            attacker.Send(attacker.IsWellFormed ? Generate(random) : Mutate(corpus[random.Next(corpus.Count)], random));
            if (i % BetweenWitnesses == 0)
            {
                var data = BitConverter.GetBytes(random.Next());
                var answer = await witness.RunCallAsync("demo", "echo_later", data).WaitAsync(TimeSpan.FromSeconds(60));
                Assert.Equal(data, answer.Output.ToArray());
            }
        }

        attacker.Dispose();
        output.WriteLine($"{attacker.Connections} connections, {attacker.Answers} answers");
        Assert.True(attacker.Answers > s_inputs / 20 && attacker.Connections > 10, "the input reached nothing");
        Assert.True((await witness.RunCallAsync("demo", "echo")).Succeeded);
        Assert.Empty(defects);
        for (var until = Environment.TickCount64 + 20_000; fixture.Server.ConnectionCount > 1 || fixture.Server.BufferedBytes > 0; await Task.Delay(1))
        {
            Assert.True(Environment.TickCount64 < until, $"{fixture.Server.ConnectionCount} connections and {fixture.Server.BufferedBytes} bytes stay");
        }
    }

    /// <summary>One well-formed request of every operation, with every field, and what else a peer may send.</summary>
    private static List<byte[]> Corpus()
    {
        var frames = new List<byte[]>();
        foreach (var operation in OperationTable.All)
        {
            using var buffer = new PooledBuffer(256);
            var writer = new MessagePackWriter(buffer);
            writer.WriteArrayHeader(4);
            writer.WriteUInt64(0);
            writer.WriteUInt64(77);
            writer.WriteString(operation.Utf8Name);
            writer.WriteArrayHeader(1);
            writer.WriteMapHeader(operation.Request.Count);
            foreach (var field in operation.Request)
            {
                writer.WriteString(field.Utf8Name);
                WriteValue(ref writer, field);
            }

            writer.Commit();
            frames.Add(buffer.WrittenSpan.ToArray());
        }

        frames.Add(ServerFixture.RunFrame(1, "echo", new byte[300]));
        frames.Add(ServerFixture.RunFrame(2, "fill", "70000"u8));
        frames.Add(ServerFixture.RunFrame(3, "echo_later", default));
        frames.Add(ServerFixture.SessionFrame(4, Secret));
        frames.Add([0x93, 2, 0xA1, (byte)'x', 0x90]);
        return frames;
    }

    private static void WriteValue(ref MessagePackWriter writer, RequestField field)
    {
        switch (field.Type)
        {
            case FieldType.Flag:
                writer.WriteBoolean(true);
                break;
            case FieldType.Map:
                writer.WriteMapHeader(0);
                break;
            case FieldType.Integer:
                writer.WriteInt64(Math.Max(field.Min, 1));
                break;
            case FieldType.TextList or FieldType.Environment:
                writer.WriteArrayHeader(2);
                writer.WriteString("a=b");
                writer.WriteString("c=d");
                break;
            case FieldType.TaskList:
                writer.WriteArrayHeader(1);
                writer.WriteMapHeader(1);
                writer.WriteString("kind");
                writer.WriteString("call");
                break;
            case FieldType.TaskId:
                writer.WriteString("0000000000000000000000000A");
                break;
            case FieldType.Choice:
                writer.WriteString(field.Choices[0]);
                break;
            default:
                writer.WriteString("demo");
                break;
        }
    }

    /// <summary>A whole request of any operation; each parameter is missing, of its own type or of any other, known or not.</summary>
    private static byte[] Generate(Random random)
    {
        using var buffer = new PooledBuffer(256);
        var writer = new MessagePackWriter(buffer);
        var operation = OperationTable.All[random.Next(OperationTable.All.Count)];
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(0);
        writer.WriteUInt64((uint)random.Next());
        writer.WriteString(random.Next(20) == 0 ? "no.such"u8 : operation.Utf8Name);
        writer.WriteArrayHeader(1);
        var fields = operation.Request.Where(_ => random.Next(4) > 0).ToList();
        var strange = random.Next(10) == 0;
        writer.WriteMapHeader(fields.Count + (strange ? 1 : 0));
        foreach (var field in fields)
        {
            writer.WriteString(field.Utf8Name);
            if (random.Next(3) > 0)
            {
                WriteValue(ref writer, field);
            }
            else
            {
                WriteAnything(ref writer, random, depth: 0);
            }
        }

        if (strange)
        {
            WriteAnything(ref writer, random, depth: 0);
            WriteAnything(ref writer, random, depth: 0);
        }

        writer.Commit();
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteAnything(ref MessagePackWriter writer, Random random, int depth)
    {
        switch (random.Next(depth > 3 ? 7 : 9))
        {
            case 0:
                writer.WriteNil();
                break;
            case 1:
                writer.WriteBoolean(random.Next(2) == 0);
                break;
            case 2:
                writer.WriteInt64(random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64));
                break;
            case 3:
                writer.WriteDouble(random.NextDouble() * random.Next());
                break;
            case 4:
                writer.WriteString(s_words[random.Next(s_words.Length)]);
                break;
            case 5:
                var bytes = new byte[random.Next(200)];
                random.NextBytes(bytes);
                writer.WriteBinary(bytes);
                break;
            case 6:
                writer.WriteExtension(-1, [1, 2, 3, 4]);
                break;
            case 7:
                var items = random.Next(5);
                writer.WriteArrayHeader(items);
                for (var i = 0; i < items; i++)
                {
                    WriteAnything(ref writer, random, depth + 1);
                }

                break;
            default:
                var pairs = random.Next(4);
                writer.WriteMapHeader(pairs);
                for (var i = 0; i < 2 * pairs; i++)
                {
                    WriteAnything(ref writer, random, depth + 1);
                }

                break;
        }
    }

    /// <summary>Flips, inserts, cuts, doubles, or joins with garbage: one to four times.</summary>
    private static byte[] Mutate(byte[] frame, Random random)
    {
        var bytes = new List<byte>(frame);
        for (var edits = random.Next(1, 5); edits > 0 && bytes.Count > 0; edits--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(8))
            {
                case 0:
                    bytes.RemoveRange(at, Math.Min(bytes.Count - at, random.Next(1, 9)));
                    break;
                case 1:
                    var noise = new byte[random.Next(1, 9)];
                    random.NextBytes(noise);
                    bytes.InsertRange(at, noise);
                    break;
                case 2:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(bytes.Count - at, random.Next(1, 33))));
                    break;
                case 3:
                    // Headers that claim much.
                    bytes[at] = (byte)(0xC4 + random.Next(28));
                    break;
                default:
                    bytes[at] = (byte)random.Next(256);
                    break;
            }
        }

        return [.. bytes];
    }

    /// <summary>Connections that send what they are given, now whole and now in pieces, and come again when they are thrown out.</summary>
    private sealed class Attacker(ServerFixture fixture, bool overTcp, Random random) : IDisposable
    {
        private readonly byte[] _drain = new byte[256 << 10];
        private readonly FrameScanner _scanner = new(new FrameLimits());
        private Socket? _socket;
        private int _filled;
        private int _left;

        public int Connections { get; private set; }

        public long Answers { get; private set; }

        /// <summary>What the connection of now is for.</summary>
        public bool IsWellFormed { get; private set; }

        public void Send(byte[] bytes)
        {
            try
            {
                var socket = _socket ??= Open();
                var cut = random.Next(4) == 0 ? random.Next(bytes.Length + 1) : bytes.Length;
                socket.Send(bytes.AsSpan(0, cut));
                socket.Send(bytes.AsSpan(cut));
                while (socket.Available > 0)
                {
                    Take(socket.Receive(_drain.AsSpan(_filled)));
                }

                // A frame that claims much swallows what follows: nothing more would be tried on this connection.
                if (--_left == 0 || (socket.Poll(0, SelectMode.SelectRead) && socket.Available == 0))
                {
                    Leave(socket);
                }
            }
            catch (SocketException)
            {
                Dispose();
            }
        }

        public void Dispose()
        {
            if (_socket is { } socket && random.Next(3) == 0)
            {
                socket.LingerState = new LingerOption(enable: true, 0);
            }

            _socket?.Dispose();
            _socket = null;
        }

        /// <summary>Now and then in order: it closes its side, and reads to the end.</summary>
        private void Leave(Socket socket)
        {
            if (random.Next(2) == 0)
            {
                socket.Shutdown(SocketShutdown.Send);
                int count;
                while ((count = socket.Receive(_drain.AsSpan(_filled))) > 0)
                {
                    Take(count);
                }
            }

            Dispose();
        }

        private void Take(int count)
        {
            _filled += count;
            var start = 0;
            while (start < _filled && _scanner.Scan(_drain.AsSpan(start, _filled - start)) is var status && status != FrameStatus.Incomplete)
            {
                Assert.Equal(FrameStatus.Complete, status);
                start += _scanner.Length;
                _scanner.Reset();
                Answers++;
            }

            _drain.AsSpan(start, _filled - start).CopyTo(_drain);
            _filled -= start;
        }

        private Socket Open()
        {
            Connections++;
            _left = random.Next(1, 40);
            _filled = 0;
            _scanner.Reset();
            IsWellFormed = random.Next(2) == 0;
            return !overTcp ? fixture.Open() : random.Next(4) == 0 ? fixture.OpenTcp() : fixture.OpenTcp(Secret);
        }
    }
}
