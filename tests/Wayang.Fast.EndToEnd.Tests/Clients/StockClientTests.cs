using System.Diagnostics;
using System.Globalization;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Clients;

/// <summary>Programs of other languages, with other people's libraries and with our own Python client, against a live node.</summary>
[Trait("Promise", "COM7")]
public sealed class StockClientTests(ITestOutputHelper output)
{
    private const string Python = "/usr/bin/python3";
    private const int ChecksOverUnix = 5;
    private const int ChecksOverTcp = 6;
    private const int ChecksOverGrpcio = 8;
    private const int ChecksOverGrpcJs = 9;
    private const int ChecksOfBuf = 5;
    private const int ChecksOfOurClient = 18;

    [Fact]
    public async Task Node_with_msgpack5rpc_and_msgpack_rpc_lite()
    {
        var modules = Path.Combine(Installation.Root, "out/clients/node/node_modules");
        Assert.SkipUnless(IsProgram("node"), "node is not there (apt-get install nodejs)");
        Assert.SkipUnless(Directory.Exists(Path.Combine(modules, "msgpack5rpc")), $"{modules} is not filled: ./build.sh test does it where npm is there");
        await CheckAsync(ChecksOverUnix + (2 * ChecksOverTcp), ("NODE_PATH", modules), "node", "tests/clients/node/check.js");
    }

    [Fact]
    public async Task Python_with_pynvim()
    {
        Assert.SkipUnless(Directory.Exists("/usr/lib/python3/dist-packages/pynvim"), "python3-pynvim is not installed (./build.sh deps)");
        await CheckAsync(ChecksOverUnix + ChecksOverTcp, null, Python, "tests/clients/python/check_pynvim.py");
    }

    [Fact]
    public async Task Ruby_with_ruby_msgpack()
    {
        Assert.SkipUnless(IsProgram("ruby"), "ruby-msgpack is not installed (./build.sh deps)");
        await CheckAsync(ChecksOverUnix + ChecksOverTcp, null, "ruby", "tests/clients/ruby/check.rb");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Python_with_our_own_client(bool withoutPackages)
    {
        Assert.SkipUnless(File.Exists(Python), $"{Python} is not there");
        Assert.SkipUnless(withoutPackages || Directory.Exists("/usr/lib/python3/dist-packages/msgpack"), "python3-msgpack is not installed (./build.sh deps)");
        string[] command = [Python, "tests/clients/python/check_client.py"];
        await CheckAsync(ChecksOfOurClient, null, withoutPackages ? [.. command, "--plain"] : command);
    }

    private static bool IsProgram(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, name)));

    [Fact]
    [Trait("Promise", "COM1")]
    public async Task Python_with_grpcio()
    {
        Assert.SkipUnless(Directory.Exists("/usr/lib/python3/dist-packages/grpc"), "python3-grpcio is not installed (./build.sh deps)");
        Assert.SkipUnless(IsProgram("protoc"), "protobuf-compiler is not installed (./build.sh deps)");
        await CheckAsync((2 * ChecksOverGrpcio) + 1, null, Python, "tests/clients/python/check_grpc.py");
    }

    [Fact]
    [Trait("Promise", "COM1")]
    public async Task Node_with_grpc_js()
    {
        var modules = Path.Combine(Installation.Root, "out/clients/node/node_modules");
        Assert.SkipUnless(IsProgram("node"), "node is not there (apt-get install nodejs)");
        Assert.SkipUnless(Directory.Exists(Path.Combine(modules, "@grpc/grpc-js")), $"{modules} is not filled: ./build.sh test does it where npm is there");
        await CheckAsync((2 * ChecksOverGrpcJs) + 1, ("NODE_PATH", modules), "node", "tests/clients/node/check_grpc.js");
    }

    [Fact]
    [Trait("Promise", "COM1")]
    public async Task Go_with_buf_curl()
    {
        var program = Path.Combine(Installation.Root, "out/clients/node/node_modules/.bin/buf");
        Assert.SkipUnless(File.Exists(program), $"{program} is not there: ./build.sh test fetches it where npm is there");
        await CheckAsync(ChecksOfBuf, null, "bash", "tests/clients/grpc/check_buf.sh", program);
    }

    private async Task CheckAsync(int checks, (string Name, string Value)? variable, params string[] command)
    {
        await using var node = new SocketNode();
        await node.ServeGrpcAsync();
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false, WorkingDirectory = Installation.Root,
        };
        start.Environment["WAYANG_SOCKET"] = node.SocketPath;
        start.Environment["WAYANG_TCP_PORT"] = node.TcpPort.ToString(CultureInfo.InvariantCulture);
        start.Environment["WAYANG_GRPC_SOCKET"] = node.GrpcSocketPath;
        start.Environment["WAYANG_GRPC_PORT"] = node.GrpcPort.ToString(CultureInfo.InvariantCulture);
        start.Environment["WAYANG_TEST_TOKEN"] = node.Token;
        start.Environment["WAYANG_PLUGIN"] = Plugins.GoodPath;
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        if (variable is { } more)
        {
            start.Environment[more.Name] = more.Value;
        }

        using var process = Process.Start(start)!;
        try
        {
            var errors = process.StandardError.ReadToEndAsync();
            var told = await process.StandardOutput.ReadToEndAsync().WaitAsync(LiveNode.Patience);
            await process.WaitForExitAsync().WaitAsync(LiveNode.Patience);
            output.WriteLine(told);
            Assert.True(process.ExitCode == 0, $"{string.Join(' ', command)} ended with {process.ExitCode}:\n{told}\n{await errors}");
            Assert.Equal(checks, told.Split('\n').Count(static line => line.StartsWith("ok ", StringComparison.Ordinal)));
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }
}
