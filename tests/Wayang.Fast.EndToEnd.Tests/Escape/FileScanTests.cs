using System.Runtime.Versioning;
using System.Text.Json;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Escape;

/// <summary>The file half of <c>wayang scan</c>, on a runtime with a configuration, tokens, state and an image with a root of its own.</summary>
[Trait("Promise", "SX4")]
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
public sealed class FileScanTests : ServeTest
{
    private const int Bound = 300_000;

    private string Root => Path.Combine(Scratch, "root");

    [Fact(Timeout = Bound)]
    public async Task What_is_wrong_with_files_is_found_named_with_a_remedy_and_kept_as_an_event()
    {
        MakeRoot();
        var tokens = Path.Combine(Scratch, "tokens");
        Assert.Equal(0, (await WayangAsync(["token", "create", "--name", "x", "--file", tokens])).Code);
        Configure($"http_port: 0\nrpc_tcp: {{tokens_file: {tokens}}}\nimages: [{{name: rooted, kind: command, rootfs: root}}]\n");
        await using var serve = await StartAsync();
        var baseline = Path.Combine(Scratch, "hashes.json");
        var clean = await ScanAsync(serve, baseline, expected: 0);
        Assert.True(clean.Count == 0, string.Join('\n', clean));

        File.SetUnixFileMode(tokens, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        File.SetUnixFileMode(Path.Combine(Root, "bin/tool"), (UnixFileMode)Convert.ToInt32("4755", 8));
        File.WriteAllText(Path.Combine(Root, "bin/changed"), "another");
        File.SetUnixFileMode(Path.Combine(Root, "etc"), (UnixFileMode)Convert.ToInt32("0777", 8));
        if (Installation.IsRoot)
        {
            Assert.Equal(0, (await Finished.RunAsync(Account.Root, ["mknod", Path.Combine(Root, "etc/disk"), "b", "8", "0"])).Code);
        }

        var found = await ScanAsync(serve, baseline, expected: 1);
        Expect("critical", tokens, "others may read the file of tokens (mode 0604)");
        Expect("warning", Path.Combine(Root, "bin/tool"), "a setuid or setgid program in a root of tasks");
        Expect("warning", Path.Combine(Root, "etc"), "everybody on this host may write it");
        Expect("warning", Path.Combine(Root, "bin/changed"), "its content changed since the last scan");
        if (Installation.IsRoot)
        {
            Expect("critical", Path.Combine(Root, "etc/disk"), "a device node in a root of tasks");
        }

        await using var client = await ConnectAsync(serve);
        var incidents = await client.ListIncidentsAsync(256);
        Assert.All(found, f => Assert.Contains(incidents, i => i.Kind == "scan_finding" && i.Reason.StartsWith($"{f.Where}: {f.What}. ", StringComparison.Ordinal)));
        var (_, events, _) = await WayangAsync(["events", "--type", "wayang.incident.scan_finding", "--severity", "error", "--json", "--socket", SocketOf(serve)]);
        Assert.Contains(tokens, events, StringComparison.Ordinal);
        Assert.DoesNotContain("bin/tool", events, StringComparison.Ordinal); // a warning
        foreach (var wrong in (string[])["nothing that says how bad it is", "critical: two\nlines", "warning: " + new string('x', 1_000)])
        {
            var refused = await Assert.ThrowsAsync<WayangException>(() => client.ScanAsync(["critical: good", wrong], TestContext.Current.CancellationToken));
            Assert.Equal((ErrorCode.InvalidArgument, "reported"), (refused.Code, refused.Field));
        }

        Assert.DoesNotContain(await client.ListIncidentsAsync(256), static i => i.Reason == "good");
        await EndAsync(serve);

        void Expect(string severity, string where, string what) =>
            Assert.True(found.Exists(f => f.Severity == severity && f.Where == where && f.What == what), $"{severity} {where}: {what} is not among\n{string.Join('\n', found)}");
    }

    private async Task<List<(string Severity, string Where, string What)>> ScanAsync(Orphanage serve, string baseline, int expected)
    {
        var (code, output, errors) = await WayangAsync(["scan", "--json", "--config", ConfigurationPath, "--baseline", baseline, "--socket", SocketOf(serve)]);
        Assert.True(code == expected, output + errors);
        using var report = JsonDocument.Parse(output);
        var findings = report.RootElement.GetProperty("findings").EnumerateArray().ToList();
        Assert.All(findings, static f => Assert.NotEmpty(f.GetProperty("remedy").GetString()!));
        return [.. findings.Select(static f => (f.GetProperty("severity").GetString()!, f.GetProperty("where").GetString()!, f.GetProperty("what").GetString()!))];
    }

    private void MakeRoot()
    {
        foreach (var directory in (string[])["bin", "etc", "proc", "dev", "tmp"])
        {
            Directory.CreateDirectory(Path.Combine(Root, directory));
        }

        foreach (var file in (string[])["bin/tool", "bin/changed"])
        {
            File.WriteAllText(Path.Combine(Root, file), "a tool");
        }

        File.SetUnixFileMode(Scratch, (UnixFileMode)Convert.ToInt32("0755", 8)); // tasks run on what lies below it
    }
}
