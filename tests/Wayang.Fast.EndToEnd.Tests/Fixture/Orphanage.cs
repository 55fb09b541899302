using System.Diagnostics;
using System.Globalization;
using System.Threading.Channels;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Fixture;

/// <summary>
/// One program below a process of ours that inherits and reaps orphans as an ordinary init does (tests/native/orphanage): the
/// tree below it is all that the program ever started. Disposing kills what is left of it.
/// </summary>
internal sealed class Orphanage : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly string _log;

    private Orphanage(Process process, string log)
    {
        _process = process;
        _log = log;
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is { } text)
            {
                _lines.Writer.TryWrite(text);
            }
            else
            {
                _lines.Writer.TryComplete();
            }
        };
    }

    public int ProgramPid { get; private set; }

    /// <summary>What the program and its children wrote.</summary>
    public string Log => File.Exists(_log) ? File.ReadAllText(_log) : "";

    public static async Task<Orphanage> StartAsync(string log, IReadOnlyList<string> command, IReadOnlyDictionary<string, string?> environment)
    {
        var start = new ProcessStartInfo(Installation.Orphanage) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        foreach (var word in (string[])[log, .. command])
        {
            start.ArgumentList.Add(word);
        }

        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        var orphanage = new Orphanage(Process.Start(start)!, log);
        orphanage._process.BeginOutputReadLine();
        orphanage.ProgramPid = int.Parse((await orphanage.ReadAsync("started")).Split(' ')[1], CultureInfo.InvariantCulture);
        return orphanage;
    }

    /// <summary>Everything that lives or lies unreaped below.</summary>
    public List<ProcessEntry> Processes() => ProcessTable.Below(_process.Id);

    /// <summary>How the program ended: "code 0", "signal 9".</summary>
    public async Task<string> WaitForEndAsync() => (await ReadAsync("ended")).Split(' ', 3)[2];

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private async Task<string> ReadAsync(string word)
    {
        using var patience = new CancellationTokenSource(Eventually.Patience);
        try
        {
            var line = await _lines.Reader.ReadAsync(patience.Token);
            Assert.StartsWith(word, line, StringComparison.Ordinal);
            return line;
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"the program did not say '{word}' in time:{Environment.NewLine}{Log}");
            throw;
        }
    }
}
