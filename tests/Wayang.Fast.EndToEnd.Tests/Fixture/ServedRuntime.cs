using System.Globalization;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Fixture;

/// <summary>A <c>wayang serve</c> of either account with a configuration, in a place of its own.</summary>
[SupportedOSPlatform("linux")]
internal sealed class ServedRuntime : IAsyncDisposable
{
    // Joins the groups; as root, then goes where nobody else's runtime is: /run/wayang is one for the whole machine.
    private const string Join = "for g in $TEST_GROUPS; do echo $$ > $g/cgroup.procs || exit 99; done; unset TEST_GROUPS; exec \"$@\"";
    private const string OwnRun = "mount -t tmpfs -o mode=0755 tmpfs /run && exec \"$@\"";

    private readonly Account _account;
    private readonly string _scratch;
    private readonly ResourceGroups _groups = new("test-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6)));
    private Orphanage? _serve;

    private ServedRuntime(Account account, string scratch) => (_account, _scratch) = (account, scratch);

    /// <summary>Of <c>wayang serve</c>; keeper, daemon and spawner are below it.</summary>
    public int ProcessId => _serve!.ProgramPid;

    public string Log => _serve?.Log ?? string.Empty;

    public string Socket => _account == Account.Root
        ? string.Create(CultureInfo.InvariantCulture, $"/proc/{_serve!.ProgramPid}/root/run/wayang/wayang.sock")
        : Path.Combine(_scratch, "run", "wayang", "wayang.sock");

    /// <summary>Skips the test, with the reason, where this account cannot be had.</summary>
    /// <param name="scratch">Of the test; gets the configuration and the socket.</param>
    public static async Task<ServedRuntime> StartAsync(Account account, string scratch, string configuration, params (string Name, string Value)[] variables)
    {
        Finished.Require(account);
        var runtime = new ServedRuntime(account, scratch);
        try
        {
            var run = Directory.CreateDirectory(Path.Combine(scratch, "run")).FullName;
            var file = Path.Combine(scratch, "node.yaml");
            await File.WriteAllTextAsync(file, configuration, TestContext.Current.CancellationToken);
            var isOther = account == Account.Unprivileged && Installation.IsRoot;
            if (isOther)
            {
                var owned = await Finished.RunAsync(Account.Root, ["chown", "65534:65534", run]);
                Assert.True(owned.Code == 0, owned.ToString());
            }

            List<string> words = ["/bin/sh", "-c", Join, "sh"];
            words.AddRange(isOther ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
                : account == Account.Root ? ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", OwnRun, "sh"] : []);
            words.AddRange([Installation.Wayang, "serve", "--config", file]);
            var environment = new Dictionary<string, string?>(StringComparer.Ordinal)
            {
                ["TEST_GROUPS"] = account == Account.Root ? string.Join(' ', runtime._groups.Paths) : "",
                ["XDG_RUNTIME_DIR"] = run,
                ["HOME"] = run,
            };
            foreach (var (name, value) in variables)
            {
                environment[name] = value;
            }

            runtime._serve = await Orphanage.StartAsync(Path.Combine(scratch, "log"), words, environment);
            await Eventually.TrueAsync($"it serves:\n{runtime.Log}", () => runtime.Log.Contains("info: serving at ", StringComparison.Ordinal));
            return runtime;
        }
        catch
        {
            await runtime.DisposeAsync();
            throw;
        }
    }

    public async Task<WayangClient> ConnectAsync() => await Eventually.ValueAsync("the runtime answers", async () =>
    {
        try
        {
            return File.Exists(Socket) ? await WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = Socket }) : null;
        }
        catch (WayangException refused) when (refused.Code == ErrorCode.Unavailable)
        {
            return null;
        }
    });

    /// <summary><c>wayang run</c> there, as the account that started it.</summary>
    public Task<Finished> RunAsync(params string[] words) => Finished.RunAsync(_account, [Installation.Wayang, "run", "--socket", Socket, .. words]);

    /// <summary>A script on an image.</summary>
    public Task<Finished> ShellAsync(string image, string script, params string[] options) => RunAsync([.. options, "--image", image, "--", "/bin/sh", "-c", script]);

    public async ValueTask DisposeAsync()
    {
        if (_serve is not null)
        {
            await _serve.DisposeAsync();
        }

        _groups.Dispose();
    }
}
