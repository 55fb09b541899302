using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Python;

/// <summary>Where a part of Python is missing, everything else runs, and what to install is told.</summary>
[Trait("Promise", "TR1")]
public sealed class InstallationTests : IDisposable
{
    private readonly string _stage = Path.Combine(Directory.CreateTempSubdirectory("wayang-stage-").FullName, "native");
    private readonly string _adapter;

    public InstallationTests()
    {
        Assert.SkipUnless(File.Exists(Path.Combine(Plugins.Stage, "wayang_python.so")), "built without Python: ./build.sh deps installs libpython3-dev");
        Directory.CreateDirectory(Path.Combine(_stage, "policy"));
        foreach (var file in (string[])["wayang-spawner", "wayang-zygote", "wayang_python.so"])
        {
            File.Copy(Path.Combine(Plugins.Stage, file), Path.Combine(_stage, file));
        }

        foreach (var file in Directory.EnumerateFiles(Path.Combine(Plugins.Stage, "policy")))
        {
            File.Copy(file, Path.Combine(_stage, "policy", Path.GetFileName(file)));
        }

        _adapter = Path.Combine(_stage, "wayang_python.so");
    }

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_stage)!, recursive: true);

    [Fact]
    public async Task Without_the_adapter()
    {
        File.Delete(_adapter);
        var message = await RefusedAsync(hasPython: false);
        Assert.Contains("built without Python (install libpython3-dev, then ./build.sh build)", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_libpython()
    {
        // The loader is told another library's name, of the same length, which no system has.
        var bytes = await File.ReadAllBytesAsync(_adapter, TestContext.Current.CancellationToken);
        var at = bytes.AsSpan().IndexOf("libpython3."u8);
        Assert.True(at > 0);
        bytes[at + "libpython".Length] = (byte)'0';
        await File.WriteAllBytesAsync(_adapter, bytes, TestContext.Current.CancellationToken);
        Assert.Contains("install it (Debian: apt-get install libpython0.", await RefusedAsync(hasPython: true), StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_an_adapter_that_is_none()
    {
        await File.WriteAllTextAsync(_adapter, "no library", TestContext.Current.CancellationToken);
        Assert.Contains("cannot load wayang_python.so", await RefusedAsync(hasPython: true), StringComparison.Ordinal);
    }

    private async Task<string> RefusedAsync(bool hasPython)
    {
        using var node = new LiveNode(stage: _stage);
        var upload = new ImageUpload("python", Encoding.UTF8.GetBytes("def f(): pass"), Name: null, Tenant: 0);
        var (image, error) = await node.Tasks.PutImageAsync(upload, CancellationToken.None).WaitAsync(LiveNode.Patience);
        Assert.Null(image);
        Assert.Equal(ErrorCode.ImageFailed, error!.Code);
        Assert.Equal(hasPython, node.Tasks.DescribeNode().Features.Contains("Python"));

        await node.PutAsync("good", Plugins.Good);
        Assert.Equal(TaskState.Succeeded, (await node.CallAsync(await node.FunctionAsync("good", "noop"))).State);
        return error.Message;
    }
}
