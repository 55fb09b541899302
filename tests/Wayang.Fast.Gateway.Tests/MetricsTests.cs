using System.Globalization;
using Wayang.Fast.Client;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Gateway.Health;
using Wayang.Fast.Gateway.Metrics;
using Xunit;

namespace Wayang.Fast.Gateway.Tests;

[Trait("Promise", "HM2")]
public sealed class MetricsTests
{
    [Fact]
    public async Task Calls_are_counted_by_operation_and_code_and_bytes_both_ways()
    {
        await using var fixture = new ServerFixture();
        await using (var client = await fixture.ConnectAsync())
        {
            await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => client.RunCallAsync("demo", "echo_later", new byte[1000])));
            var id = await client.SubmitAsync(Contracts.Operations.TaskSpec.Call("demo", "forever"));
            await client.CancelAsync(id);
            await client.WaitAsync(id);
            await client.NodeInfoAsync();
            await Assert.ThrowsAsync<WayangException>(() => client.RunCallAsync("demo", "no such"));
        }

        var values = Scrape(fixture.Server);
        Assert.Equal(100, values["wayang_rpc_calls_total{operation=\"task.run\",code=\"ok\"}"]);
        Assert.Equal(1, values["wayang_rpc_calls_total{operation=\"task.run\",code=\"not_found\"}"]);
        Assert.Equal(1, values["wayang_rpc_calls_total{operation=\"task.submit\",code=\"ok\"}"]);
        Assert.Equal(1, values["wayang_rpc_calls_total{operation=\"task.cancel\",code=\"ok\"}"]);
        Assert.Equal(1, values["wayang_rpc_calls_total{operation=\"task.wait\",code=\"ok\"}"]);
        Assert.Equal(1, values["wayang_rpc_calls_total{operation=\"node.info\",code=\"ok\"}"]);
        Assert.Equal(100, values["wayang_rpc_call_seconds_count{operation=\"task.run\"}"]);
        Assert.Equal(1, values["wayang_rpc_call_seconds_count{operation=\"task.wait\"}"]);
        Assert.InRange(values["wayang_rpc_received_bytes_total"], 100_000, 200_000);
        Assert.InRange(values["wayang_rpc_sent_bytes_total"], 100_000, 200_000);
    }

    [Fact]
    public async Task The_page_is_served_with_its_type_and_tells_what_was_dropped()
    {
        var page = new MetricsPage(new Crowd());
        await using var server = await HealthServer.StartAsync(0, static () => null, metrics: page);
        using var http = new HttpClient();
        var response = await http.GetAsync(new Uri($"http://127.0.0.1:{server.Port}/metrics"));
        Assert.StartsWith("text/plain; version=0.0.4", response.Content.Headers.ContentType!.ToString(), StringComparison.Ordinal);
        var text = await response.Content.ReadAsStringAsync();
        Assert.EndsWith("wayang_metrics_series_dropped_total 5\n", text, StringComparison.Ordinal);
        Assert.Contains("wayang_metrics_series_dropped_total 10\n", page.Render(), StringComparison.Ordinal);
    }

    private static Dictionary<string, double> Scrape(IMetricSource source) => new MetricsPage(source).Render().Split('\n')
        .Where(static l => l.Length > 0 && l[0] != '#')
        .ToDictionary(static l => l[..l.LastIndexOf(' ')], static l => double.Parse(l[(l.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture), StringComparer.Ordinal);

    private sealed class Crowd : IMetricSource
    {
        public void WriteMetrics(Exposition exposition)
        {
            exposition.Gauge("wayang_crowd", "Too many.");
            for (var i = 0; i < MetricsPage.MaxSeries + 5; i++)
            {
                exposition.Sample(i, "n", i.ToString(CultureInfo.InvariantCulture));
            }
        }
    }
}
