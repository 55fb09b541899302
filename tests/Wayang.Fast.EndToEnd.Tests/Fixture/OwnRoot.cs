using System.Globalization;
using System.Runtime.Versioning;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Fixture;

/// <summary>A small root of an operator's (root/), and a policy (policy/) with a profile <c>small</c> for it.</summary>
[SupportedOSPlatform("linux")]
internal static class OwnRoot
{
    private const UnixFileMode Shared = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private static readonly string[] Programs = ["sh", "ls", "cat", "touch", "id", "rm", "mkdir"];

    /// <summary>Below <paramref name="scratch"/>: a root of some of this host's programs with their libraries, and the shipped policy with a profile for it.</summary>
    public static async Task PrepareAsync(Account account, string scratch)
    {
        Finished.Require(account);
        var (root, policy) = (Path.Combine(scratch, "root"), Path.Combine(scratch, "policy"));
        File.SetUnixFileMode(scratch, Shared);
        var cancellation = TestContext.Current.CancellationToken;
        foreach (var directory in (string[])["bin", "etc", "proc", "dev", "tmp"])
        {
            Directory.CreateDirectory(Path.Combine(root, directory));
        }

        await File.WriteAllTextAsync(Path.Combine(root, "etc/name"), "own root\n", cancellation);
        var copy = string.Join('\n', Programs.Select(p => string.Create(
            CultureInfo.InvariantCulture,
            $"f=$(readlink -f $(command -v {p})); cp $f $R/bin/{p}; for l in $(ldd $f | grep -o '/[^ ]*'); do mkdir -p $R$(dirname $l); cp -L $l $R$l; done")));
        var copied = await Finished.RunAsync(Account.Unprivileged == account && !Installation.IsRoot ? account : Account.Root, ["/bin/sh", "-ec", copy + "\nchmod -R go-w,a+rX $R"], ("R", root));
        Assert.True(copied.Code == 0, copied.ToString());

        Directory.CreateDirectory(policy, Shared);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Installation.NativeDirectory, "policy")))
        {
            File.Copy(file, Path.Combine(policy, Path.GetFileName(file)));
        }

        var standard = await File.ReadAllLinesAsync(Path.Combine(policy, "standard.profile"), cancellation);
        await File.WriteAllTextAsync(
            Path.Combine(policy, "small.profile"),
            $"root {root}\n" + string.Join('\n', standard.Where(static l => !l.StartsWith("path", StringComparison.Ordinal))),
            cancellation);
    }
}
