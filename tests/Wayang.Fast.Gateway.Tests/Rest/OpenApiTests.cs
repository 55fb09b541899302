using System.Diagnostics;
using System.Text.Json;
using Wayang.Fast.Gateway.Rest;
using Wayang.Fast.Gateway.Tests.Doors;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Rest;

/// <summary>The description of the routes: whole, and without an error for the linter.</summary>
[Trait("Promise", "COM2")]
public sealed class OpenApiTests(ITestOutputHelper output)
{
    [Fact]
    public void Every_route_is_described_with_an_example()
    {
        var paths = JsonDocument.Parse(OpenApiDescription.Write()).RootElement.GetProperty("paths");
        foreach (var route in RestRoute.All)
        {
            var method = paths.GetProperty(route.Path.Replace("{**", "{", StringComparison.Ordinal)).GetProperty(route.Method.ToLowerInvariant());
            Assert.Equal(route.HasBody, method.TryGetProperty("requestBody", out var body));
            Assert.True(!route.HasBody || body.GetProperty("content").GetProperty("application/json").TryGetProperty("example", out _), route.Path);
        }
    }

    [Fact]
    public async Task The_linter_finds_no_error()
    {
        var program = Path.Combine(RepositoryRoot.Find(), "out/clients/node/node_modules/.bin/spectral");
        Assert.SkipUnless(File.Exists(program), $"{program} is not there: ./build.sh test fetches it where npm is there");
        var directory = Directory.CreateTempSubdirectory("wayang-openapi-");
        try
        {
            var document = Path.Combine(directory.FullName, "openapi.json");
            var rules = Path.Combine(directory.FullName, "rules.yaml");
            await File.WriteAllTextAsync(document, OpenApiDescription.Write(), TestContext.Current.CancellationToken);
            await File.WriteAllTextAsync(rules, "extends: [[spectral:oas, all]]\n", TestContext.Current.CancellationToken);
            using var process = Process.Start(new ProcessStartInfo(program, ["lint", document, "--ruleset", rules, "--fail-severity", "error"]) { RedirectStandardOutput = true, UseShellExecute = false })!;
            var told = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            output.WriteLine(told);
            Assert.True(process.ExitCode == 0, told);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }
}
