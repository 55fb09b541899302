using System.Buffers.Binary;
using System.Text;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Http;

/// <summary>
/// What a call costs beyond what Kestrel takes for a request that does nothing, in the same process: `TaskRun` against `grpc.health.v1.Health/Check`, a task's
/// state against /healthz.
/// </summary>
internal sealed class HttpSuite : Suite
{
    private const int FrameHeader = 5;
    private const int WireBytes = 2;

    public override string Name => "http";

    public override IReadOnlyList<Measurement> Run(SuiteContext context)
    {
        using var node = new HttpNode(context);
        var folder = Directory.CreateTempSubdirectory("wayang-perf-bodies-");
        try
        {
            var run = Path.Combine(folder.FullName, "run");
            var empty = Path.Combine(folder.FullName, "empty");
            File.WriteAllBytes(run, Frame(TaskSpec()));
            File.WriteAllBytes(empty, Frame([]));
            return [Unary(context, node, run, empty), Get(context, node)];
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static Measurement Unary(SuiteContext context, HttpNode node, string run, string empty)
    {
        context.Tell("TaskRun over gRPC, 4 connections with 16 calls each");
        var requests = context.Scale(20_000);
        double Run()
        {
            // A call that was refused has the status 200 too: those that ended well are counted.
            var before = node.CountSucceededAsync().GetAwaiter().GetResult();
            var rate = HttpLoad.Post(node.Grpc + "/wayang.runtime.v1.Runtime/TaskRun", node.Token, run, requests);
            var ran = node.CountSucceededAsync().GetAwaiter().GetResult() - before;
            return ran == requests ? rate : throw new PerfException($"of {requests} calls {ran} ran");
        }

        return Measurement.Of("grpc.unary", "calls/s", Better.Higher, Rounds.Interleave(
            context.Rounds, Quantity.Rate, Run, () => HttpLoad.Post(node.Grpc + "/grpc.health.v1.Health/Check", node.Token, empty, requests)));
    }

    private static Measurement Get(SuiteContext context, HttpNode node)
    {
        context.Tell("a task's state over REST, 64 connections");
        var task = $"{node.Rest}/v1/tasks/{node.EndOneAsync().GetAwaiter().GetResult()}";
        var seconds = context.Quick ? 1 : 2;
        return Measurement.Of("rest.get", "requests/s", Better.Higher, Rounds.Interleave(
            context.Rounds, Quantity.Rate, () => HttpLoad.Get(task, node.Token, seconds), () => HttpLoad.Get(node.Health, node.Token, seconds)));
    }

    /// <summary>wayang.runtime.v1.TaskSpec: kind 1, image 2, function 3, data 4, all shorter than 128 bytes.</summary>
    private static byte[] TaskSpec()
    {
        var message = new MemoryStream();
        byte[][] fields = ["call"u8.ToArray(), Encoding.ASCII.GetBytes(HttpNode.Image), Encoding.ASCII.GetBytes(HttpNode.Function), new byte[HttpNode.PayloadBytes]];
        for (var i = 0; i < fields.Length; i++)
        {
            message.WriteByte((byte)(((i + 1) << 3) | WireBytes));
            message.WriteByte((byte)fields[i].Length);
            message.Write(fields[i]);
        }

        return message.ToArray();
    }

    /// <summary>A gRPC message: not compressed, its length, itself.</summary>
    private static byte[] Frame(byte[] message)
    {
        var frame = new byte[FrameHeader + message.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Length);
        message.CopyTo(frame, FrameHeader);
        return frame;
    }
}
