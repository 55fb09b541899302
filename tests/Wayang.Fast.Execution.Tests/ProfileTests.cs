using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Isolation;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Which profiles tasks can choose is what the spawner's policy says.</summary>
public sealed class ProfileTests
{
    private static readonly ProfileLimits s_any = new(1 << 30, 0, 0, 16, 0, 100);

    private static readonly ProfileDescription[] Policy =
        PolicyProfiles.Describe([new ToldProfile("standard", true, false, s_any), new ToldProfile("alpine", true, true, s_any), new ToldProfile("compute", false, false, s_any)]);

    [Fact]
    [Trait("Promise", "IM1")]
    public void The_node_tells_and_takes_those_of_its_policy()
    {
        using var node = new TestNode();
        Assert.Equal(["compute", "network", "standard"], node.Tasks.DescribeNode().Profiles.Select(static p => p.Name));
        var error = node.Tasks.Resolve(new TargetRequest { Kind = TaskKind.Exec, Profile = "alpine"u8 }, out _);
        Assert.Equal(ErrorCode.InvalidArgument, error?.Code);
        Assert.Equal("profile", error?.Field);
        Assert.Contains("compute, network, standard", error?.Message, StringComparison.Ordinal);
        foreach (var name in (string[])["", "..", "a/b", new string('a', 64), "a b"])
        {
            error = node.Tasks.Resolve(new TargetRequest { Kind = TaskKind.Exec, Profile = Encoding.UTF8.GetBytes(name) }, out _);
            Assert.Equal(name.Length == 0, error is null); // no name: the default
        }
    }

    [Fact]
    public void A_command_is_refused_where_there_are_no_files_with_those_that_have_some()
    {
        Assert.Null(PolicyProfiles.Refuse(Policy, "alpine", TaskKind.Exec));
        Assert.Null(PolicyProfiles.Refuse(Policy, "compute", TaskKind.Call));
        var error = PolicyProfiles.Refuse(Policy, "compute", TaskKind.Exec);
        Assert.EndsWith("use alpine, standard", error?.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_one_is_refused_with_the_nearest_and_all()
    {
        var error = PolicyProfiles.Refuse(Policy, "standrad", TaskKind.Call);
        Assert.Equal("profile 'standrad' is not known; did you mean standard? this node's policy has alpine, compute, standard", error?.Message);
    }

    [Fact]
    public void Before_a_spawner_has_answered_it_is_the_judge() =>
        Assert.Null(PolicyProfiles.Refuse([], "alpine", TaskKind.Exec));
}
