using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Wayang.Fast.Client;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.Kill;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Monitoring;

/// <summary>The metrics of a real daemon, judged by Prometheus' own linter and scraped by its own server.</summary>
[Collection("runtimes")]
[Trait("Promise", "HM2")]
public sealed class PrometheusTests
{
    private const int Calls = 300;

    // Never where somebody's own server may be.
    private const string Unpacked = "out/prometheus/usr/bin";

    [Fact]
    public async Task The_linter_finds_nothing_to_say()
    {
        var promtool = Find("promtool");
        var port = FreePort();
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root, $"http_port: {port}\n");
        await using var client = await runtime.ConnectAsync();
        await WorkAsync(client);
        using var http = new HttpClient();
        var text = await Eventually.ValueAsync("the daemon answers HTTP", () => TryReadAsync(http, port));

        var (code, said) = await RunAsync(promtool, ["check", "metrics"], text);

        Assert.True(code == 0 && said.Length == 0, $"promtool ended with {code}: {said}");
        Assert.Contains($"wayang_tasks_ended_total{{state=\"succeeded\",cause=\"exit\"}} {Calls + 1}\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_prometheus_server_scrapes_and_answers()
    {
        var prometheus = Find("prometheus");
        var port = FreePort();
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root, $"http_port: {port}\n");
        await using var client = await runtime.ConnectAsync();
        await WorkAsync(client);
        await using var server = await ScrapingServer.StartAsync(prometheus, port);

        Assert.Equal(Calls + 1, await server.ValueAsync("sum(wayang_tasks_ended_total)"));
        Assert.Equal(Calls, await server.ValueAsync("wayang_rpc_calls_total{operation=\"task.run\",code=\"ok\"} - 1"));
        Assert.Equal(Calls + 1, await server.ValueAsync("wayang_task_queue_seconds_count{class=\"normal\"}"));
        Assert.InRange(await server.ValueAsync("histogram_quantile(0.99, wayang_task_run_seconds_bucket{class=\"normal\"})"), 1e-9, 60);
        Assert.InRange(await server.ValueAsync("sum(wayang_workers{profile=\"compute\"})"), 1, 64);
        Assert.InRange(await server.ValueAsync("wayang_process_resident_bytes"), 1e6, 1e10);
        Assert.InRange(await server.ValueAsync("sum(wayang_gc_pause_seconds_count)"), 0, 1e6);
        Assert.Equal(0, await server.ValueAsync("wayang_metrics_series_dropped_total"));
        Assert.Equal(1, await server.ValueAsync("count(wayang_build_info)"));
    }

    /// <summary>The port opens a moment after the socket does.</summary>
    private static async Task<string?> TryReadAsync(HttpClient http, int port)
    {
        try
        {
            return await http.GetStringAsync(new Uri($"http://127.0.0.1:{port}/metrics"));
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    /// <summary>Calls and a command, all in the class normal.</summary>
    private static async Task WorkAsync(WayangClient client)
    {
        var image = await Load.PutImageAsync(client);
        await Task.WhenAll(Enumerable.Range(0, Calls).Select(_ => client.RunCallAsync(image, "slow_echo", "10 x"u8.ToArray())));
        Assert.True((await client.RunCommandAsync(["/bin/true"])).Succeeded);
    }

    private static string Find(string program)
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        string[] places = [Path.Combine(Installation.Tree, Unpacked), "/usr/bin", "/usr/local/bin"];
        var path = places.Select(p => Path.Combine(p, program)).FirstOrDefault(File.Exists);
        Assert.SkipWhen(path is null, $"{program} is not there: ./build.sh deps fetches it (Debian package prometheus)");
        return path!;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task<(int Code, string Said)> RunAsync(string program, IReadOnlyList<string> arguments, string input)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
        })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await errors);
    }

    /// <summary>The distribution's server with a directory and a port of its own.</summary>
    private sealed class ScrapingServer : IAsyncDisposable
    {
        private readonly HttpClient _http = new();
        private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("wayang-prometheus-");
        private readonly Process _process;
        private readonly string _address;

        private ScrapingServer(string program, int target)
        {
            _address = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{FreePort()}");
            var file = Path.Combine(_directory.FullName, "prometheus.yml");
            File.WriteAllText(file, string.Create(
                CultureInfo.InvariantCulture,
                $"global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs: [{{job_name: wayang, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]\n"));
            _process = Process.Start(new ProcessStartInfo(program, [
                $"--config.file={file}", $"--storage.tsdb.path={_directory.FullName}/data", $"--web.listen-address={_address}", "--log.level=error"]))!;
        }

        public static async Task<ScrapingServer> StartAsync(string program, int target)
        {
            var server = new ScrapingServer(program, target);
            try
            {
                await Eventually.TrueAsync("Prometheus scraped the daemon", () => server.TryAsync("up == 1").GetAwaiter().GetResult() is not null);
                return server;
            }
            catch
            {
                await server.DisposeAsync();
                throw;
            }
        }

        public async Task<double> ValueAsync(string query)
        {
            double? value = null;
            await Eventually.TrueAsync($"Prometheus answers {query}", () => (value = TryAsync(query).GetAwaiter().GetResult()) is not null);
            return value!.Value;
        }

        public async ValueTask DisposeAsync()
        {
            _process.Kill();
            await _process.WaitForExitAsync();
            _process.Dispose();
            _http.Dispose();
            _directory.Delete(recursive: true);
        }

        /// <summary>The one value of a query; null while there is none.</summary>
        private async Task<double?> TryAsync(string query)
        {
            Assert.False(_process.HasExited, "Prometheus ended");
            try
            {
                var answer = await _http.GetStringAsync(new Uri($"http://{_address}/api/v1/query?query={Uri.EscapeDataString(query)}"));
                using var document = JsonDocument.Parse(answer);
                var result = document.RootElement.GetProperty("data").GetProperty("result");
                return result.GetArrayLength() == 0 ? null : double.Parse(result[0].GetProperty("value")[1].GetString()!, CultureInfo.InvariantCulture);
            }
            catch (HttpRequestException)
            {
                return null;
            }
        }
    }
}
