using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.Execution;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Python;

/// <summary>A live node for Python images; skips the test, with the reason, where the runtime was built without Python.</summary>
internal sealed class PythonNode : IDisposable
{
    public static readonly string[] Profiles = ["compute", "standard"];

    public PythonNode(RuntimeOptions? options = null)
    {
        Assert.SkipUnless(File.Exists(Path.Combine(Plugins.Stage, "wayang_python.so")), "built without Python: ./build.sh deps installs libpython3-dev");
        Node = new LiveNode(options);
    }

    public LiveNode Node { get; }

    /// <summary>A file of tests/python.</summary>
    public static string Source(string name) => File.ReadAllText(Path.Combine(Plugins.Stage, "../../../../tests/python", name));

    public async Task<ImageDescription> PutAsync(string source, string name = "job", int tenant = 0, params string[] preload)
    {
        var (image, error) = await TryPutAsync(source, name, tenant, preload);
        Assert.True(image is not null, error?.Message);
        return image;
    }

    public async Task<OperationError> RefusedAsync(string source, params string[] preload)
    {
        var (image, error) = await TryPutAsync(source, "refused", 0, preload);
        Assert.Null(image);
        return error!;
    }

    public async Task<EndedTask> RunAsync(
        string function, string input = "", string profile = "compute", string image = "job", WorkerReuse reuse = WorkerReuse.Tenant, uint timeoutMs = 0) =>
        await RunAsync(function, Encoding.UTF8.GetBytes(input), profile, image, reuse, timeoutMs);

    public async Task<EndedTask> RunAsync(
        string function, byte[] input, string profile = "compute", string image = "job", WorkerReuse reuse = WorkerReuse.Tenant, uint timeoutMs = 0) =>
        await Node.CallAsync(await Node.FunctionAsync(image, function, profile: profile, reuse: reuse), input, timeoutMs);

    /// <summary>The output of a call that has to succeed.</summary>
    public async Task<string> TextAsync(string function, string input = "", string profile = "compute", string image = "job", WorkerReuse reuse = WorkerReuse.Tenant)
    {
        var end = await RunAsync(function, input, profile, image, reuse);
        Assert.True(end.State == TaskState.Succeeded, string.Create(CultureInfo.InvariantCulture, $"{function} under {profile}: {end}\n{end.Cause.Traceback}"));
        return end.Text;
    }

    public void Dispose() => Node.Dispose();

    private Task<(ImageDescription? Image, OperationError? Error)> TryPutAsync(string source, string name, int tenant, string[] preload) =>
        Node.Tasks.PutImageAsync(
            new ImageUpload("python", Encoding.UTF8.GetBytes(source), name, tenant) { Preload = preload, FileName = name + ".py" },
            CancellationToken.None).WaitAsync(LiveNode.Patience);
}
