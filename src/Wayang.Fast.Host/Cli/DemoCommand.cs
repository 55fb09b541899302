using System.CommandLine;

using Wayang.Fast.Host.Demo;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang demo</c>: thousands of checked tasks over real files, then hostile ones.</summary>
internal static class DemoCommand
{
    public static Command Build()
    {
        var command = new Command("demo", "Runs thousands of sandboxed tasks over real files of this machine, checks every result against an independent computation, then lets hostile tasks fail while normal ones run on.")
        {
            Hidden = true,
        };
        DetailedHelp.Describe(
            command,
            """
            Under two minutes.
            It uses a runtime of its own, or the one at --socket.

            Example:
              wayang demo --json > demo.json
            """);
        command.SetAction(static async (result, cancellation) =>
        {
            var socket = result.GetValue(ClientOptions.Socket);
            await Console.Error.WriteLineAsync(socket is null ? "Starting a private runtime ..." : $"Connecting to {socket} ...");
            var session = socket is null
                ? await RuntimeSession.StartPrivateAsync(cancellation)
                : await RuntimeSession.ConnectAsync(socket, cancellation);
            await using (session)
            {
                return await DemoProgram.RunAsync(session, result.GetValue(ClientOptions.Json), cancellation);
            }
        });
        return command;
    }
}
