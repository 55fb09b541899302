using System.Buffers.Binary;
using System.Diagnostics;

namespace Wayang.Fast.Host.Cli;

/// <summary>
/// A running keeper that ends with us: it reads our pipe as its standard input and takes the end of file as the order to
/// end everything, so that not even kill -9 of this process leaves a runtime behind.
/// </summary>
internal sealed class KeeperProcess : IAsyncDisposable
{
    private const int KeptLines = 20;

    // The keeper gives the daemon 5 s to end in order, then kills; after this time something is wrong with the keeper itself.
    private static readonly TimeSpan LongestEnd = TimeSpan.FromSeconds(15);

    private readonly Process process;
    private readonly Queue<string> lastLines = new();
    private readonly Lock gate = new();

    private KeeperProcess(Process process) => this.process = process;

    public int ProcessId => process.Id;

    public bool HasExited => process.HasExited;

    public int ExitCode => process.ExitCode;

    /// <summary>The last lines that keeper, spawner and daemon wrote (when they are captured), for an error's message.</summary>
    public string LastWords
    {
        get
        {
            lock (gate)
            {
                return string.Join(Environment.NewLine, lastLines.Select(static l => "  " + l));
            }
        }
    }

    public static KeeperProcess Start(DaemonLaunch launch, bool capture)
    {
        var start = launch.KeeperStart();
        start.RedirectStandardOutput = capture;
        start.RedirectStandardError = capture;
        Process started;
        try
        {
            started = Process.Start(start) ?? throw new CommandException($"{start.FileName}: did not start");
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            throw new CommandException($"{start.FileName}: {error.Message}", "Build it anew with ./build.sh build, or check its permissions.");
        }

        var keeper = new KeeperProcess(started);
        if (capture)
        {
            started.OutputDataReceived += keeper.Keep;
            started.ErrorDataReceived += keeper.Keep;
            started.BeginOutputReadLine();
            started.BeginErrorReadLine();
        }

        return keeper;
    }

    public Task WaitForExitAsync(CancellationToken cancellation) => process.WaitForExitAsync(cancellation);

    /// <summary>
    /// Hands over a configuration: a message of native/keeper/protocol.h, whose value is a descriptor of ours. The keeper opens it
    /// when it reads the message, so it must stay for a while.
    /// </summary>
    public void SendConfiguration(int descriptor)
    {
        const uint configuration = 3;
        var message = new byte[2 * sizeof(int)];
        BinaryPrimitives.WriteUInt32LittleEndian(message, configuration);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(sizeof(int)), descriptor);
        process.StandardInput.BaseStream.Write(message);
        process.StandardInput.BaseStream.Flush();
    }

    /// <summary>Asks for an ordered end: the keeper ends daemon, spawner and workers. Idempotent.</summary>
    public void RequestEnd()
    {
        try
        {
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It went first: nothing left to ask.
        }
    }

    public async ValueTask DisposeAsync()
    {
        RequestEnd();
        using var patience = new CancellationTokenSource(LongestEnd);
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            // Its children see the end of the keeper and end themselves.
            process.Kill();
        }

        process.Dispose();
    }

    private void Keep(object sender, DataReceivedEventArgs line)
    {
        if (line.Data is null)
        {
            return;
        }

        lock (gate)
        {
            lastLines.Enqueue(line.Data);
            if (lastLines.Count > KeptLines)
            {
                lastLines.Dequeue();
            }
        }
    }
}
