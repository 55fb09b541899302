using System.Diagnostics;
using System.Text;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Users;

/// <summary>What a new user gets wrong: each message says what, where and what to do. The output is the table of them.</summary>
[Collection("runtimes")]
public sealed class MistakeTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _scratch = Directory.CreateTempSubdirectory("wayang-mistakes-").FullName;

    public void Dispose() => Directory.Delete(_scratch, recursive: true);

    [Fact(Timeout = 300_000)]
    [Trait("Promise", "TR4")]
    public async Task Each_mistake_is_told_with_what_where_and_what_to_do()
    {
        foreach (var (name, text) in Mistake.Files)
        {
            await File.WriteAllTextAsync(Path.Combine(_scratch, name), text, TestContext.Current.CancellationToken);
        }

        await using var runtime = await RuntimeUnderTest.StartAsync(Installation.IsRoot ? Account.Root : Account.Unprivileged);
        var hasPython = File.Exists(Path.Combine(Installation.NativeDirectory, "wayang_python.so"));
        var wrong = new StringBuilder();
        foreach (var mistake in Mistake.All)
        {
            if (mistake.NeedsPython && !hasPython)
            {
                output.WriteLine($"{mistake.Title}: skipped, this build has no Python (libpython3-dev)");
                continue;
            }

            var (code, told) = await RunAsync(mistake.Line, runtime.SocketPath);
            output.WriteLine($"{mistake.Title} [exit {code}]\n  {told.Trim().ReplaceLineEndings("\n  ")}");
            if (code != mistake.Code || mistake.Told.Any(part => !told.Contains(part, StringComparison.Ordinal)))
            {
                wrong.AppendLine(System.Globalization.CultureInfo.InvariantCulture, $"{mistake.Title}: exit {code} (wanted {mistake.Code}), printed: {told}");
            }
        }

        Assert.Empty(wrong.ToString());
    }

    /// <summary>Root may read every file, so as root somebody else tries it.</summary>
    [Fact(Timeout = 60_000)]
    [Trait("Promise", "PO4")]
    public async Task A_configuration_that_only_others_may_read_is_told()
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        Assert.SkipWhen(Installation.IsRoot && Installation.ClosedToOthers is not null, Installation.ClosedToOthers ?? "");
        var path = Path.Combine(_scratch, "secret.yaml");
        await File.WriteAllTextAsync(path, "http_port: 1\n", TestContext.Current.CancellationToken);
        var other = Installation.IsRoot ? $"HOME={_scratch} setpriv --reuid 65534 --regid 65534 --clear-groups " : "";

        var (code, told) = await RunAsync($"chmod 755 . && chmod 0 secret.yaml && {other}$W config check {path}", "none");

        Assert.Equal(1, code);
        Assert.Contains($"{path}: you may not read it; run this as its owner, or: chmod +r", told, StringComparison.Ordinal);
    }

    private async Task<(int Code, string Told)> RunAsync(string line, string socket)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", line])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false, WorkingDirectory = _scratch,
        };
        start.Environment["W"] = Installation.Wayang;
        start.Environment["S"] = socket;
        start.Environment["PLUGINS"] = Path.Combine(Installation.Root, "out/native/release/tests/plugins");
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var stdout = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var stderr = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await stdout + await stderr);
    }
}
