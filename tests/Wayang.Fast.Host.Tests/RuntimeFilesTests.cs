using System.Net;
using Wayang.Fast.Host.Configuration;
using Wayang.Fast.Host.Doctor;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>What is wrong with owner and mode of a runtime's own files, as a table.</summary>
[Trait("Promise", "SX4")]
public sealed class RuntimeFilesTests
{
    private const string Path = "/var/lib/wayang/x";

    [Theory]
    [InlineData(FileRule.Secret, "0 0 0600 file", null)]
    [InlineData(FileRule.Secret, "1900000000 0 0640 file", null)]
    [InlineData(FileRule.Secret, "0 0 0644 file", "others may read it (mode 0644)")]
    [InlineData(FileRule.Secret, "0 0 0660 file", "others may write it (mode 0660)")]
    [InlineData(FileRule.Secret, "0 0 0755 directory", "others may read it (mode 0755)")]
    [InlineData(FileRule.Closed, "0 0 0644 file", null)]
    [InlineData(FileRule.Closed, "0 0 0666 file", "everybody on this host may write it (mode 0666)")]
    [InlineData(FileRule.Closed, "0 0 1777 directory", null)]
    [InlineData(FileRule.Closed, "4242 0 0644 file", "it belongs to uid 4242")]
    [InlineData(FileRule.Socket, "0 0 0660 socket", null)]
    [InlineData(FileRule.Socket, "0 0 0666 socket", "everybody on this host may connect to it (mode 0666)")]
    [InlineData(FileRule.Socket, "1900000000 0 2750 directory", null)]
    [InlineData(FileRule.Socket, "0 0 0777 directory", "everybody on this host may put a socket in the place of the runtime's (mode 0777)")]
    internal void Owner_and_mode_are_judged(FileRule rule, string seen, string? finding)
    {
        var found = RuntimeFiles.Judge([new OwnFile(Path, "it", rule, 1_900_000_000)], [new ProbeAnswer("own", true, seen)]).ToList();
        Assert.Equal(finding is null ? [] : [("critical", Path, finding)], found.Select(static f => (f.Severity, f.Where, f.What)));
        Assert.All(found, static f => Assert.NotEmpty(f.Remedy));
    }

    [Fact]
    public void What_is_not_there_is_no_finding_and_what_cannot_be_seen_is_one()
    {
        OwnFile[] files = [new(Path, "it", FileRule.Secret), new(Path, "it", FileRule.Secret)];
        var found = Assert.Single(RuntimeFiles.Judge(files, [new ProbeAnswer("own", false, "absent"), new ProbeAnswer("own", false, "Permission denied")]));
        Assert.Equal(("warning", "it cannot be looked at: Permission denied"), (found.Severity, found.What));
        Assert.Empty(RuntimeFiles.Judge(files, []));
    }

    [Fact]
    public void A_configuration_names_what_is_looked_at()
    {
        var settings = new FileSettings
        {
            RpcTcp = new RpcTcpSettings { Address = new IPEndPoint(IPAddress.Loopback, 1), TokensFile = "/etc/wayang/tokens" },
            Tls = new TlsSettings { KeyFile = "/etc/wayang/key", CertificateFile = "/etc/wayang/cert" },
            Images = [new ConfiguredImage("a", "c", "/opt/a.so", null), new ConfiguredImage("b", "command", null, null) { Rootfs = "/srv/b" }],
        };
        var files = RuntimeFiles.Of(settings, "/etc/wayang.yaml", "/run/wayang/wayang.sock");
        Assert.Equal(
            ["/run/wayang/wayang.sock", "/run/wayang", "/etc/wayang.yaml", "/etc/wayang/tokens", "/etc/wayang/key", "/etc/wayang/cert", "/opt/a.so"],
            files.Select(static f => f.Path));
        Assert.Equal(["/srv/b"], RuntimeFiles.TreesOf(settings));
    }
}
