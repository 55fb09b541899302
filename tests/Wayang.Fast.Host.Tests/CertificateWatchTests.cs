using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Host.Cli;
using Wayang.Fast.Host.Configuration;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>Certificates that change on the disk: taken when they stand still and fit, told once when they do not.</summary>
[Trait("Promise", "COM7")]
public sealed class CertificateWatchTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("wayang-watch-").FullName;
    private readonly PrivateAuthority _authority;
    private readonly TlsSettings _settings;
    private int _stamp;

    public CertificateWatchTests()
    {
        _authority = new PrivateAuthority(Path.Combine(_directory, "pki"));
        _authority.Create("authority of a test", TimeSpan.FromDays(1));
        foreach (var name in new[] { "first", "second" })
        {
            _authority.Issue(name, isServer: true, ["127.0.0.1"], TimeSpan.FromHours(1));
        }

        _settings = new TlsSettings { CertificateFile = Path.Combine(_directory, "node.pem"), KeyFile = Path.Combine(_directory, "node-key.pem"), ClientAuthorityFile = Path.Combine(_directory, "ca.pem") };
        Put("first.pem", _settings.CertificateFile);
        Put("first-key.pem", _settings.KeyFile);
        Put("ca.pem", _settings.ClientAuthorityFile);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_pair_is_taken_when_both_are_there_and_half_of_one_is_told_once()
    {
        var watch = new CertificateWatch(_settings);
        Assert.Equal((null, null), watch.Look(_settings));

        // The certificate first: with the former key it is no pair.
        Put("second.pem", _settings.CertificateFile!);
        Assert.Equal((null, null), watch.Look(_settings)); // it may still be written
        Assert.Contains("cannot be used", watch.Look(_settings).Problem, StringComparison.Ordinal);
        Assert.Equal((null, null), watch.Look(_settings)); // told once
        Put("second-key.pem", _settings.KeyFile!);
        Assert.Equal((null, null), watch.Look(_settings));
        Assert.Contains(File.ReadAllText(_settings.KeyFile!), watch.Look(_settings).Texts!.Server, StringComparison.Ordinal);
        Assert.Equal((null, null), watch.Look(_settings));
    }

    [Fact]
    public void A_file_that_is_cut_or_gone_changes_nothing_until_it_is_whole()
    {
        var watch = new CertificateWatch(_settings);
        var whole = File.ReadAllText(_settings.ClientAuthorityFile!);
        File.WriteAllText(_settings.ClientAuthorityFile!, whole[..(whole.Length / 2)]);
        watch.Look(_settings);
        Assert.Contains("tls.client_ca_file", watch.Look(_settings).Problem, StringComparison.Ordinal);
        File.Delete(_settings.ClientAuthorityFile!);
        watch.Look(_settings);
        Assert.NotNull(watch.Look(_settings).Problem);
        Put("ca.pem", _settings.ClientAuthorityFile!);
        watch.Look(_settings);
        Assert.Equal(whole, watch.Look(_settings).Texts!.ClientAuthority);
    }

    [Fact]
    public void A_link_that_is_moved_to_another_pair_is_a_change()
    {
        var links = new TlsSettings { CertificateFile = Path.Combine(_directory, "l.pem"), KeyFile = Path.Combine(_directory, "l-key.pem") };
        File.CreateSymbolicLink(links.CertificateFile, Path.Combine(_directory, "pki", "first.pem"));
        File.CreateSymbolicLink(links.KeyFile, Path.Combine(_directory, "pki", "first-key.pem"));
        var watch = new CertificateWatch(links);
        foreach (var (link, target) in new[] { (links.CertificateFile, "second.pem"), (links.KeyFile, "second-key.pem") })
        {
            File.Delete(link);
            File.CreateSymbolicLink(link, Path.Combine(_directory, "pki", target));
        }

        watch.Look(links);
        Assert.NotNull(watch.Look(links).Texts);
    }

    /// <summary>Each with a time of its own, as the clock of a file system may be coarse.</summary>
    private void Put(string name, string path)
    {
        File.Copy(Path.Combine(_directory, "pki", name), path, overwrite: true);
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddSeconds(-100 + ++_stamp));
    }
}
