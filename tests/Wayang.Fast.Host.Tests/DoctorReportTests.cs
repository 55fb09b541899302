using Wayang.Fast.Host.Doctor;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>What is made of findings: levels, remedies, the text.</summary>
public sealed class DoctorReportTests
{
    private static readonly HostNature Root = new(IsRoot: true, "v2");
    private static readonly HostNature User = new(IsRoot: false, "v2");

    [Theory]
    [InlineData("kernel.clone3", true, Level.Ok)]
    [InlineData("kernel.clone3", false, Level.Missing)]
    [InlineData("kernel.clone3", null, Level.Unknown)]
    [InlineData("sandbox.landlock", false, Level.Degraded)]
    [InlineData("host.perf_events", false, Level.Ok)]
    internal void A_lack_counts_as_much_as_the_thing_is_needed(string name, bool? holds, Level level)
    {
        var finding = CheckRules.Judge(CheckRules.All.Single(r => r.Name == name), new ProbeAnswer(name, holds, "value"), Root);
        Assert.Equal(level, finding.Level);
        Assert.Equal(level == Level.Ok, finding.Cost.Length == 0 && finding.Remedy.Length == 0);
        Assert.Equal(finding.Required && level != Level.Ok, finding.IsFault);
    }

    [Fact]
    public void Each_rule_has_a_known_group_and_each_judged_one_its_cost_and_remedy()
    {
        Assert.Equal(CheckRules.All.Count, CheckRules.All.DistinctBy(static r => r.Name).Count());
        Assert.All(CheckRules.All, static rule =>
        {
            Assert.Contains(rule.Name.Split('.')[0], CheckRules.Groups);
            Assert.True(rule.Need == Need.Told || (rule.Cost.Length > 0 && rule.Remedy.Length > 0), rule.Name);
        });
    }

    [Fact]
    public void A_check_that_was_not_answered_is_unknown() =>
        Assert.Equal(Level.Unknown, CheckRules.Judge(CheckRules.All[0], answer: null, Root).Level);

    [Theory]
    [InlineData("clone3: No space left on device (user.max_user_namespaces 0)", "sysctl -w user.max_user_namespaces=15000")]
    [InlineData("clone3: x (user.max_user_namespaces 9, kernel.unprivileged_userns_clone 0)", "sysctl -w kernel.unprivileged_userns_clone=1")]
    [InlineData("uid_map: x (user.max_user_namespaces 9, kernel.apparmor_restrict_unprivileged_userns 1)", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")]
    [InlineData("clone3: Operation not permitted (user.max_user_namespaces 9)", "In a container:")]
    public void The_remedy_for_namespaces_follows_what_forbids_them(string value, string remedy) =>
        Assert.StartsWith(remedy, Remedies.Resolve(Remedies.UserNamespaces, value, User), StringComparison.Ordinal);

    [Fact]
    public void The_remedy_for_groups_follows_version_and_user()
    {
        Assert.StartsWith("systemd-run --user", Remedies.Resolve(Remedies.Groups, "v2, but not delegated", User), StringComparison.Ordinal);
        Assert.StartsWith("systemd-run --scope", Remedies.Resolve(Remedies.Groups, "v2, but other processes", Root), StringComparison.Ordinal);
        Assert.Contains("as root", Remedies.Resolve(Remedies.Groups, "v1, not ours", User), StringComparison.Ordinal);
        Assert.Contains("Delegate=yes", Remedies.Resolve(Remedies.Groups, "no memory controller", User), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(60_000L, false, Level.Ok)]
    [InlineData(2_000L, true, Level.Ok)]
    [InlineData(2_000L, false, Level.Degraded)]
    [InlineData(100L, false, Level.Missing)]
    [InlineData(null, false, Level.Unknown)]
    internal void The_limit_of_descriptors_is_judged_by_what_a_full_node_needs(long? limit, bool isRoot, Level level) =>
        Assert.Equal(level, HostFacts.OpenFiles(limit, isRoot).Level);

    [Theory]
    [InlineData("ttyS0                -W- (EC  p a)    4:64", "4\t4\t1\t7", Level.Degraded)]
    [InlineData("ttyS0                -W- (EC  p a)    4:64", "3\t4\t1\t7", Level.Ok)]
    [InlineData("ttyS0                -W- (C  p a)    4:64", "7\t4\t1\t7", Level.Ok)]
    [InlineData("tty0                 -WU (EC  p  )    4:7", "7\t4\t1\t7", Level.Ok)]
    [InlineData("", "7\t4\t1\t7", Level.Ok)]
    [InlineData("ttyS0                -W- (EC  p a)    4:64", null, Level.Ok)]
    internal void A_serial_console_that_shows_errors_of_the_kernel_is_told(string consoles, string? levels, Level level)
    {
        var finding = HostFacts.KernelConsole([consoles], levels);
        Assert.Equal(level, finding.Level);
        Assert.Equal(level == Level.Degraded, finding.Remedy.Contains("kernel.printk", StringComparison.Ordinal));
    }

    [Fact]
    public void The_text_is_wrapped_under_its_column_and_coloured_on_demand()
    {
        var words = string.Join(' ', Enumerable.Repeat("word", 60));
        Finding[] findings = [new("kernel", "one", Level.Missing, Required: true, words, words, words), new("host", "two", Level.Ok, Required: false, "here")];
        using var plain = new StringWriter();
        using var coloured = new StringWriter();
        DoctorReport.Write(plain, findings, colour: false);
        DoctorReport.Write(coloured, findings, colour: true);

        Assert.All(plain.ToString().Split('\n'), static line => Assert.True(line.Length <= 100, line));
        Assert.Contains("kernel\n  missing   one                   word word", plain.ToString(), StringComparison.Ordinal);
        Assert.Contains("\n                                  cost: word", plain.ToString(), StringComparison.Ordinal);
        Assert.EndsWith("Sandboxed tasks cannot be run here: kernel.one\n", plain.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain('\e', plain.ToString());
        Assert.Contains("\e[31mmissing", coloured.ToString(), StringComparison.Ordinal);
    }
}
