using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.EndToEnd.Tests.Python;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Escape;

/// <summary>
/// Image files that do harm while they are loaded, before anybody has called them, and files that are no images: each is refused with a reason, or reaches
/// nothing, while an innocent tenant's calls go on and are checked.
/// </summary>
[Trait("Promise", "IM2")]
[Trait("Promise", "IM3")]
[Trait("Promise", "SX1")]
[Collection("runtimes")]
public sealed class HostileImageTests(ITestOutputHelper output)
{
    private const int Hostile = 1;
    private const int Innocent = 2;

    /// <summary>Of tests/plugins/loaded: what its function tells (parted by |), or a part of the refusal behind a colon.</summary>
    private static readonly (string Deed, string Outcome)[] s_constructors =
    [
        ("fork_child", ":the image left a process behind"),
        ("fork_detached", ":the image left a process behind"),
        ("read_shadow", "ENOENT|EACCES"),
        ("read_spawner", "ENOENT|EACCES|EPERM"),
        ("open_socket", "EAFNOSUPPORT|EPERM"),
        ("listen_nowhere", "EAFNOSUPPORT|EPERM"),
        ("exit_quietly", ":its zygote ended (exit code 0)|its zygote hung up"),
        ("raise_kill", ":its zygote ended (signal 9)|its zygote hung up"),
        ("second_thread", ":left a second thread behind"),
        ("remount_usr", "EPERM|EINVAL"),
        ("bind_root", "contained|EPERM|EINVAL"),
        ("trace_holder", "EPERM|ENOSYS"),
        ("claim_ready", "lost: its zygote broke the protocol: READY out of order or too short"),
        ("speak_nonsense", ":a message of a wrong length"),
        ("fill_tmp", "ENOSPC"),
        ("loop_for_ever", ":did not load in time"),
    ];

    private static readonly (string Deed, string Code, string Refusal)[] s_imports =
    [
        ("forks", "import os, time\nif os.fork() == 0:\n    time.sleep(3600)\n", "the image left a process behind"),
        ("reads_shadow", "open('/etc/shadow').read()\n", "Error"),
        ("opens_socket", "import socket\nsocket.socket()\n", "Error"),
        ("traces", "import ctypes\nif ctypes.CDLL(None, use_errno=True).ptrace(16, 1, 0, 0) != 0:\n    raise OSError(ctypes.get_errno(), 'refused')\n", "OSError|PermissionError"),
        ("exits", "import os\nos._exit(3)\n", "its zygote ended (exit code 3)|its zygote hung up"),
        ("leaves", "raise SystemExit(0)\n", "SystemExit"),
        ("threads", "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,)).start()\n", "left a second thread behind"),
        ("crashes", "import ctypes\nctypes.string_at(8)\n", "its zygote ended (signal 11)|its zygote hung up"),
        ("eats", "held = []\nwhile True:\n    held.append(bytearray(1 << 24))\n", "Memory|signal 9|its zygote hung up"),
    ];

    public static TheoryData<string> Profiles => ["compute", "standard"];

    [Theory]
    [MemberData(nameof(Profiles))]
    public async Task Constructors_reach_nothing_and_what_cannot_serve_is_refused_with_the_reason(string profile)
    {
        using var node = new LiveNode();
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        var wrong = new List<string>();
        foreach (var (deed, expected) in s_constructors)
        {
            var outcome = await LoadAsync(node, deed, profile);
            output.WriteLine($"{deed}: {outcome}");
            if (!(expected[0] == ':' ? outcome.StartsWith("refused: ", StringComparison.Ordinal) && expected[1..].Split('|').Any(part => outcome.Contains(part, StringComparison.Ordinal))
                : expected.Split('|').Contains(outcome, StringComparer.Ordinal)))
            {
                wrong.Add($"{deed} under {profile}: {outcome}, wanted {expected}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        await NothingIsLeftAsync(node);
        Assert.True(await beside.StopAsync() > 0);
    }

    [Fact]
    public async Task Modules_that_do_harm_as_they_are_imported_are_refused_with_the_reason()
    {
        using var node = new PythonNode();
        var beside = await CheckedLoad.StartAsync(node.Node, Innocent);
        var wrong = new List<string>();
        foreach (var (deed, code, expected) in s_imports)
        {
            var error = await node.RefusedAsync(code + "\ndef told():\n    return 'went'\n");
            output.WriteLine($"{deed}: {error.Code} {error.Message}");
            if (error.Code != ErrorCode.ImageFailed || !expected.Split('|').Any(part => error.Message.Contains(part, StringComparison.Ordinal)))
            {
                wrong.Add($"{deed}: {error.Code} {error.Message}, wanted {expected}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        await NothingIsLeftAsync(node.Node);
        Assert.True(await beside.StopAsync() > 0);
    }

    [Fact]
    public async Task Files_that_are_no_whole_library_are_refused()
    {
        using var node = new LiveNode();
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        var good = Plugins.Good;
        var taken = new List<string>();
        foreach (var (name, file) in BrokenLibraries.Truncated(good).Concat(BrokenLibraries.WildHeaders(good)))
        {
            var (image, error) = await PutAsync(node, "broken", file, Hostile);
            output.WriteLine($"{name}: {error?.Code.ToString() ?? "loaded"} {error?.Message}");
            if (image is not null)
            {
                taken.Add(name);
            }
            else
            {
                Assert.True(error!.Code is ErrorCode.ImageFailed or ErrorCode.InvalidArgument && error.Message.Length > 0, $"{name}: {error}");
            }
        }

        Assert.Empty(taken);
        await NothingIsLeftAsync(node);
        Assert.True(await beside.StopAsync() > 0);
    }

    /// <summary>Some of these load: a flipped bit may stand where nobody looks. Whatever happens has a name, and nobody beside notices.</summary>
    [Fact]
    public async Task Libraries_with_flipped_bits_load_or_are_refused()
    {
        const int Seed = 20261126;
        using var node = new LiveNode();
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        var random = new Random(Seed);
        var (loaded, refused) = (0, 0);
        for (var i = 0; i < 40; i++)
        {
            var before = beside.Checked;
            var (image, error) = await PutAsync(node, string.Create(CultureInfo.InvariantCulture, $"flipped-{i}"), BrokenLibraries.Flipped(Plugins.Good, random), Hostile);
            if (image is not null)
            {
                loaded++;
            }
            else
            {
                refused++;
                Assert.True(error!.Code is ErrorCode.ImageFailed or ErrorCode.InvalidArgument && error.Message.Length > 0, $"seed {Seed}, file {i}: {error}");
            }

            await LiveNode.UntilAsync(() => beside.Checked > before, "an innocent call ends");
        }

        output.WriteLine($"{loaded} loaded, {refused} refused");
        Assert.True(await beside.StopAsync() > 0);
    }

    private static async Task<string> LoadAsync(LiveNode node, string deed, string profile)
    {
        var upload = new ImageUpload("c", File.ReadAllBytes(Path.Combine(Plugins.Stage, "..", "tests", "plugins", $"loaded_{deed}.so")), deed, Hostile) { Profile = profile };
        var (image, error) = await node.Tasks.PutImageAsync(upload, TestContext.Current.CancellationToken).WaitAsync(LiveNode.Patience, TestContext.Current.CancellationToken);
        if (image is null)
        {
            return error!.Code == ErrorCode.ImageFailed ? $"refused: {error.Message}" : error.ToString();
        }

        if (!image.Functions.Contains("told", StringComparer.Ordinal))
        {
            return await LostAsync(node, deed, profile, image.Functions[0]);
        }

        var end = await CallAsync(node, deed, profile);
        return end.State == TaskState.Succeeded ? end.Text : end.ToString();
    }

    private static async Task<EndedTask> CallAsync(LiveNode node, string deed, string profile) => await node.CallAsync(await node.FunctionAsync(deed, "told", Hostile, profile));

    /// <summary>Waits until an image that was there is given up: opened again, it does the same again.</summary>
    private static async Task<string> LostAsync(LiveNode node, string deed, string profile, string function)
    {
        OperationError? error = null;
        await LiveNode.UntilAsync(
            () => (error = node.Tasks.Resolve(
                new TargetRequest
                {
                    Kind = TaskKind.Call,
                    Image = Encoding.UTF8.GetBytes(deed),
                    Function = Encoding.UTF8.GetBytes(function),
                    Profile = Encoding.UTF8.GetBytes(profile),
                    Tenant = Hostile,
                },
                out _)) is { Code: not ErrorCode.Unavailable },
            "it is given up");
        return $"lost: {error!.Message}";
    }

    private static async Task<(ImageDescription? Image, OperationError? Error)> PutAsync(LiveNode node, string name, byte[] file, int tenant) =>
        await node.Tasks.PutImageAsync(new ImageUpload("c", file, name, tenant), TestContext.Current.CancellationToken).WaitAsync(LiveNode.Patience, TestContext.Current.CancellationToken);

    /// <summary>The images that serve have a holder and a zygote each; every other process of the spawner's is a worker of a call that is checked.</summary>
    private static Task NothingIsLeftAsync(LiveNode node) => LiveNode.UntilAsync(
        () => ProcessTable.Below(node.SpawnerPid).Where(static p => p.Name is "wayang-zygote").All(p => ProcessTable.Below(p.Pid).Count == 0),
        "no zygote has a child of its own");
}
