using System.Diagnostics;
using System.Globalization;
using System.Text;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>Ordinary programs on real input in profile <c>standard</c>, with limits, as somebody writes them who does so for the first time.</summary>
[Trait("Promise", "TR1")]
public sealed class RealProgramTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("wayang-real-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Gcc_compiles_a_file_and_its_program_runs_here()
    {
        Require("/usr/bin/gcc", "gcc");
        await File.WriteAllTextAsync(At("main.c"), "#include <stdio.h>\n#include <math.h>\nint main(void) { printf(\"%.3f\\n\", sqrt(2)); return 0; }\n");
        await RunAsync("--input", At("main.c"), "--out", _directory, "--", "gcc", "-O2", "-Wall", "-o", "out/main", "main.c", "-lm");
        Host("/bin/chmod", "700", At("main"));
        Assert.Equal("1.414\n", (await Finished.RunAsync(Account.Root, [At("main")])).Out);
    }

    [Fact]
    public async Task Numpy_multiplies_matrices()
    {
        Require("/usr/lib/python3/dist-packages/numpy/__init__.py", "python3-numpy");
        await File.WriteAllTextAsync(At("product.py"), "import numpy as np\na = np.arange(90000.0).reshape(300, 300) % 7\nprint(int((a @ a.T).trace()), int((a * a).sum()))\n");
        var shown = await RunAsync("--input", At("product.py"), "--", "/usr/bin/python3", "product.py");
        var numbers = shown.Split(' ', StringSplitOptions.TrimEntries);
        Assert.Equal(numbers[0], numbers[1]); // the trace of A times A transposed is the sum of all squares
        Assert.True(int.Parse(numbers[0], CultureInfo.InvariantCulture) > 1_000_000);
    }

    [Fact]
    public async Task Git_clones_a_bundle_and_a_directory()
    {
        Require("/usr/bin/git", "git");
        var repository = At("repository");
        Host("/usr/bin/git", "init", "-q", repository);
        await File.WriteAllTextAsync(Path.Combine(repository, "a.txt"), "content of a\n");
        Host("/usr/bin/git", "-C", repository, "add", ".");
        Host("/usr/bin/git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "one");
        Host("/usr/bin/git", "-C", repository, "bundle", "create", "-q", At("repository.bundle"), "--all", "HEAD");
        await RunAsync("--input", At("repository.bundle"), "--", "git", "clone", "repository.bundle", "copy");
        Assert.Equal("content of a\n", await RunAsync("--input", repository, "--", "sh", "-c", "git clone -q repository copy && cat copy/a.txt"));
    }

    [Fact]
    public async Task Sqlite_imports_a_table_and_leaves_its_database()
    {
        Require("/usr/bin/sqlite3", "sqlite3");
        await File.WriteAllLinesAsync(At("t.csv"), Enumerable.Range(1, 50_000).Select(static n => string.Create(CultureInfo.InvariantCulture, $"name {n},{n}")).Prepend("name,n"));
        var sum = await RunAsync("--input", At("t.csv"), "--out", _directory, "--", "sqlite3", "out/t.db", ".mode csv", ".import t.csv t", "select sum(n) from t");
        Assert.Equal("1250025000", sum.Trim());
        Assert.StartsWith("SQLite format 3", Encoding.Latin1.GetString((await File.ReadAllBytesAsync(At("t.db")))[..16]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ImageMagick_or_ffmpeg_converts_an_image()
    {
        var ffmpeg = File.Exists("/usr/bin/ffmpeg");
        Assert.SkipUnless(ffmpeg || File.Exists("/usr/bin/convert"), "neither /usr/bin/convert nor /usr/bin/ffmpeg is installed: apt-get install imagemagick");
        await File.WriteAllTextAsync(At("in.ppm"), "P3\n2 2\n255\n255 0 0 0 255 0 0 0 255 255 255 255\n");
        string[] command = ffmpeg ? ["ffmpeg", "-v", "error", "-i", "in.ppm", "out/out.png"] : ["/usr/bin/convert", "in.ppm", "-resize", "200%", "out/out.png"];
        await RunAsync(["--input", At("in.ppm"), "--out", _directory, "--", .. command]);
        Assert.Equal("PNG", Encoding.Latin1.GetString((await File.ReadAllBytesAsync(At("out.png")))[1..4]));
    }

    private static void Require(string file, string package) => Assert.SkipUnless(File.Exists(file), $"{file} is missing: apt-get install {package}");

    private static void Host(params string[] command)
    {
        using var process = Process.Start(command[0], command[1..]);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    private string At(string name) => Path.Combine(_directory, name);

    private async Task<string> RunAsync(params string[] words)
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        await using var node = new SocketNode();
        string[] limits = node.Node.HasMemoryGroup ? ["--memory", "1G", "--pids", "64"] : []; // refused where the host cannot hold them
        var end = await Finished.RunAsync(
            Account.Root, [Installation.Wayang, "--socket", node.SocketPath, "run", .. limits, "--timeout", "60s", .. words]);
        Assert.True(end.Code == 0, end.ToString());
        return end.Out;
    }
}
