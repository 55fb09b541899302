using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Scheduling;
using Wayang.Fast.Host.Configuration;
using Xunit;

namespace Wayang.Fast.Host.Tests;

[Trait("Promise", "RA4")]
public sealed class TenantSectionTests
{
    [Fact]
    public void Every_key_sets_what_it_names()
    {
        var settings = Of("""
            tenants:
              - {name: research, id: 7, weight: 400, max_running: 3, max_queued: 1_000, max_queued_bytes: 2 MiB, highest_class: normal, connect: ['*.example.org:443', 10.0.0.0/8:5432], users: [root, 1002, 0], scopes: [read, submit]}
              - {name: default, weight: 50}
              - {name: '*', weight: 10, max_queued: 5}
              - {name: nightly, connect: []}
            scheduling: {ageing: {idle_s: 2, urgent_s: 0}}
            """).OrThrow().Settings;

        var research = settings.Runtime.Tenants[0];
        Assert.Equal((7, "research", new TenantShare(400, 3), 1000, 2L << 20, TaskClass.Normal), (research.Id, research.Name, research.Share, research.MaxQueued, research.MaxQueuedBytes, research.HighestClass));
        Assert.Equal([0u, 1002u], research.Users);
        Assert.Equal((2, 0, true), (research.Connect!.Count, settings.Runtime.Tenants[2].Connect!.Count, settings.Runtime.Tenants[1].Connect is null));
        Assert.Equal(["research", "default", "nightly"], settings.Runtime.Tenants.Select(static t => t.Name));
        Assert.Equal((0, 50), (settings.Runtime.Tenants[1].Id, settings.Runtime.Tenants[1].Share.Weight));
        Assert.Equal(TenantSection.IdOf("nightly"), settings.Runtime.Tenants[2].Id);
        Assert.Equal((10, 5), (settings.Runtime.OtherTenants.Share.Weight, settings.Runtime.OtherTenants.MaxQueued));
        Assert.Equal((2.0, 60.0, 0.0), (settings.Runtime.IdleAgeing.TotalSeconds, settings.Runtime.BatchAgeing.TotalSeconds, settings.Runtime.UrgentAgeing.TotalSeconds));
        Assert.Equal("id 7, weight 400, max_running 3, max_queued 1000, max_queued_bytes 2MiB, highest_class normal, connect *.example.org:443 10.0.0.0/8:5432, users 0 1002, scopes read,submit", settings.Tenants[0].Terms);
    }

    [Theory]
    [InlineData("tenants: research\n", "1:10: 'tenants': must be a list of at most 1024 tenants; write each as '- {name: research, weight: 200}'")]
    [InlineData("tenants: [research]\n", "1:11: 'tenants[0]': must be keys and values: {name: research, weight: 200}")]
    [InlineData("tenants: [{weight: 2}]\n", "1:11: 'tenants[0]': has no name")]
    [InlineData("tenants: [{name: a b}]\n", "1:18: 'tenants[0].name': must be 1 to 63 of A-Z a-z 0-9 . _ -, not digits alone, or '*' for all others, not 'a b'")]
    [InlineData("tenants: [{name: '12'}]\n", "1:18: 'tenants[0].name': must be 1 to 63 of A-Z a-z 0-9 . _ -, not digits alone, or '*' for all others, not '12'")]
    [InlineData("tenants: [{name: a, wieght: 2}]\n", "1:21: 'tenants[0].wieght': no such key; did you mean 'weight'?")]
    [InlineData("tenants: [{name: a, zzzz: 2}]\n", "1:21: 'tenants[0].zzzz': no such key; a tenant has: name, id, weight, max_running, max_queued, max_queued_bytes, highest_class, connect, users, scopes")]
    [InlineData("tenants: [{name: a, name: b}]\n", "1:21: 'tenants[0].name': stands twice")]
    [InlineData("tenants: [{name: a, weight: 0}]\n", "1:29: 'tenants[0].weight': must be a whole number from 1 to 1000, not '0'")]
    [InlineData("tenants: [{name: a, id: 32768}]\n", "1:25: 'tenants[0].id': must be a whole number from 0 to 32767, not '32768'")]
    [InlineData("tenants: [{name: a, max_running: 0}]\n", "1:34: 'tenants[0].max_running': must be a whole number from 1 to 1000000, not '0'")]
    [InlineData("tenants: [{name: a, max_queued_bytes: 2 GB}]\n", "1:39: 'tenants[0].max_queued_bytes': must be a size from 1 to 1024GiB: a whole number of bytes, or one with KiB, MiB or GiB, not '2 GB'; write 2GiB")]
    [InlineData("tenants: [{name: a, highest_class: system}]\n", "1:36: 'tenants[0].highest_class': must be one of urgent, normal, batch, idle, not 'system'")]
    [InlineData("tenants: [{name: a, highest_class: bacth}]\n", "1:36: 'tenants[0].highest_class': must be one of urgent, normal, batch, idle, not 'bacth'; did you mean batch?")]
    [InlineData("tenants: [{name: a, connect: all}]\n", "1:30: 'tenants[0].connect': must be a list of at most 256 destinations as profiles have them: ['*.example.org:443', 10.0.0.0/8:5432]; [] grants nothing")]
    [InlineData("tenants: [{name: a, users: root}]\n", "1:28: 'tenants[0].users': must be a list of at most 256 users, by name or uid: [alice, 1002]")]
    [InlineData("tenants: [{name: a, users: [rooot]}]\n", "1:29: 'tenants[0].users': no user 'rooot' in /etc/passwd; did you mean 'root'?")]
    [InlineData("tenants: [{name: a, users: [[0]]}]\n", "1:29: 'tenants[0].users': no user '' in /etc/passwd; write the uid of a user that stands elsewhere")]
    [InlineData("tenants: [{name: a, scopes: read}]\n", "1:29: 'tenants[0].scopes': must be a list of some of read, submit, images, operate, admin: [read, submit]")]
    [InlineData("tenants: [{name: a, scopes: [red]}]\n", "1:30: 'tenants[0].scopes': must be some of read, submit, images, operate, admin, not 'red'; did you mean read?")]
    [InlineData("tenants: [{name: '*', users: [0]}]\n", "1:30: 'tenants[0].users': is of one tenant; leave it out of the entry '*', which is all others")]
    [InlineData("tenants: [{name: '*', id: 3}]\n", "1:27: 'tenants[0].id': is of one tenant; leave it out of the entry '*', which is all others")]
    [InlineData("tenants: [{name: a}, {name: a}]\n", "1:22: 'tenants[1]': the name 'a' stands twice; the first is at node.yaml:1:11")]
    [InlineData("tenants: [{name: '*'}, {name: '*'}]\n", "1:24: 'tenants[1]': the name '*' stands twice; the first is at node.yaml:1:11")]
    [InlineData("tenants: [{name: a, id: 4}, {name: b, id: 4}]\n", "1:29: 'tenants[1]': its id 4 is that of 'a', too; give one of them another id (0 to 32767); the first is at node.yaml:1:11")]
    [InlineData("tenants: [{name: a, users: [0]}, {name: b, users: [root]}]\n", "1:34: 'tenants[1]': the user 0 is of 'a' already, and can be of one tenant only; the first is at node.yaml:1:11")]
    [InlineData("tenant: []\n", "1:1: 'tenant': no such key; did you mean 'tenants'?")]
    public void What_is_wrong_is_told_by_place(string text, string told) =>
        Assert.Equal(["node.yaml:" + told], Of(text).Problems.Select(static p => p.ToString()));

    [Fact]
    public void An_id_that_is_not_given_is_made_of_the_name_and_stays()
    {
        Assert.Equal(0, TenantSection.IdOf("default"));
        Assert.All(Enumerable.Range(0, 10_000), static i => Assert.InRange(TenantSection.IdOf($"tenant-{i}"), 1, TenantPolicy.MaxId));
        var alone = Of("tenants: [{name: b}]\n").Settings.Tenants[0].Policy.Id;
        Assert.Equal(alone, Of("tenants: [{name: a}, {name: b}]\n").Settings.Tenants[1].Policy.Id);
        Assert.Equal(24_950, TenantSection.IdOf("nightly")); // tokens hold it: it must never be another
    }

    [Fact]
    public void A_reload_tells_what_changed_for_whom()
    {
        var before = Of("tenants: [{name: a, id: 1}, {name: b, id: 2, weight: 5}, {name: c, id: 3}]\n").Settings.Tenants;
        var after = Of("tenants: [{name: '*', max_queued: 9}, {name: b, id: 2, weight: 6}, {name: c, id: 3}]\n").Settings.Tenants;
        Assert.Equal(
            [
                "tenant 'a' is no longer configured; it has the terms of all others now",
                "tenant '*': (new) -> weight 100, max_queued 9",
                "tenant 'b': id 2, weight 5 -> id 2, weight 6",
            ],
            ConfiguredTenant.Changes(before, after));
        Assert.Empty(ConfiguredTenant.Changes(after, after));
    }

    private static NodeConfiguration Of(string text) => NodeConfiguration.Of(new ConfigurationInput { Path = "node.yaml", Text = text });
}
