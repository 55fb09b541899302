using System.Diagnostics;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Fixture;

/// <summary>A program that ran to its end.</summary>
internal sealed record Finished(int Code, string Out, string Err)
{
    /// <summary>Beyond it something hangs.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    public override string ToString() => $"code {Code}\n{Out}\n{Err}";

    /// <summary>As the unprivileged account where asked; variables are added to the environment.</summary>
    public static async Task<Finished> RunAsync(Account account, IReadOnlyList<string> command, params (string Name, string Value)[] variables)
    {
        List<string> words = [.. command];
        if (account == Account.Unprivileged && Installation.IsRoot)
        {
            words.InsertRange(0, ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        }

        var start = new ProcessStartInfo(words[0]) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
        foreach (var word in words.Skip(1))
        {
            start.ArgumentList.Add(word);
        }

        start.Environment.Remove("XDG_RUNTIME_DIR");
        start.Environment["HOME"] = "/tmp";
        foreach (var (name, value) in variables)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"did not end in time: {string.Join(' ', command)}");
        }

        return new Finished(process.ExitCode, await output, await error);
    }

    /// <summary>Skips the test, with the reason, where this account cannot be had.</summary>
    public static void Require(Account account)
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        Assert.SkipUnless(account == Account.Unprivileged || Installation.IsRoot, "needs root");
        Assert.SkipWhen(account == Account.Unprivileged && Installation.IsRoot && Installation.ClosedToOthers is not null, Installation.ClosedToOthers ?? "");
    }
}
