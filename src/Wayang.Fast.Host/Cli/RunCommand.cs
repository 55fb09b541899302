using System.CommandLine;
using System.Runtime.InteropServices;

using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang run</c>: one task, from here to its end, with its streams and its exit code.</summary>
internal static class RunCommand
{
    private static readonly TaskOptions Options = new();

    public static Command Build()
    {
        var command = new Command("run", "Runs one task and exits with its code.");
        DetailedHelp.Describe(
            command,
            """
            Where no runtime answers, one is started for this task alone.
            Exit codes: the task's own; 128+n after signal n; 124 timed out; 130 cancelled; 1 the function reported an
            error; 125 the runtime ended it (sandbox violation, out of memory, lost), the cause is on stderr; 2 wrong usage.
            Ctrl-C once cancels the task, twice gives up waiting.

            Examples:
              wayang run python ./hello.py:greet --data '{"name": "you"}'
              wayang run c ./text.so:count --data @README.md
              wayang run --timeout 10s -- sh -c 'echo hello; id -u'
              wayang run --memory 256M --cpu 0.5 --pids 64 --disk 100M -- sh -c 'sort big.txt | uniq -c'
              wayang run -- gzip -c < notes.txt > notes.txt.gz
              wayang run --image tools -- ls /
              wayang run --input main.c --out . -- gcc -O2 -o out/main main.c
              wayang run --secret token=env:API_TOKEN -- sh -c 'wc -c < /run/secrets/token'
            """);
        Options.AddTo(command);
        command.Options.Add(FileOptions.Out);
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        var arguments = Options.Read(result);
        using var interrupts = new Interrupts();
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellation, interrupts.Second);
        var session = await RuntimeSession.ConnectOrStartAsync(result.GetValue(ClientOptions.Socket), UntilFirst(interrupts));
        await using (session)
        {
            var spec = await TaskBuilder.BuildAsync(arguments, session.Client, UntilFirst(interrupts));
            var id = await TaskBuilder.SubmitAsync(session.Client, spec, giveUp.Token);
            var ended = await WaitAsync(session.Client, id, interrupts, giveUp.Token);
            if (ended.Artifacts is { } artifacts && result.GetValue(FileOptions.Out) is { } directory)
            {
                await ArtifactFiles.FetchAsync(session.Client, id, artifacts, directory, giveUp.Token);
            }

            return await ResultPrinter.PrintAsync(ended, result.GetValue(ClientOptions.Json));
        }
    }

    // Before the task exists there is nothing to cancel: the first interrupt ends us.
    private static CancellationToken UntilFirst(Interrupts interrupts) => interrupts.First;

    private static async Task<Contracts.Operations.TaskResult> WaitAsync(
        WayangClient client, TaskId id, Interrupts interrupts, CancellationToken giveUp)
    {
        var wait = client.WaitAsync(id, cancellation: giveUp);
        var interrupted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = interrupts.First.Register(() => interrupted.TrySetResult());
        if (await Task.WhenAny(wait, interrupted.Task) != wait)
        {
            await Console.Error.WriteLineAsync($"wayang: cancelling task {id} (again to give up)");
            await client.CancelAsync(id, giveUp);
        }

        return await wait;
    }

    /// <summary>Counts SIGINT and SIGTERM: the first one cancels the task, the second one the waiting.</summary>
    private sealed class Interrupts : IDisposable
    {
        private readonly CancellationTokenSource first = new();
        private readonly CancellationTokenSource second = new();
        private readonly PosixSignalRegistration interrupt;
        private readonly PosixSignalRegistration terminate;

        public Interrupts()
        {
            interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Count);
            terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Count);
        }

        public CancellationToken First => first.Token;

        public CancellationToken Second => second.Token;

        public void Dispose()
        {
            interrupt.Dispose();
            terminate.Dispose();
            first.Dispose();
            second.Dispose();
        }

        private void Count(PosixSignalContext signal)
        {
            signal.Cancel = true;
            (first.IsCancellationRequested ? second : first).Cancel();
        }
    }
}
