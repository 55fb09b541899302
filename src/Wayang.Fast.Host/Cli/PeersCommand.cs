using System.CommandLine;
using System.Globalization;

using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang peers</c>: the nodes beside this one, and how each is reached.</summary>
internal static class PeersCommand
{
    public static Command Build()
    {
        var command = new Command("peers", "Lists the node's peers: where they are, whether they are reached, how busy they are.");
        DetailedHelp.Describe(
            command,
            """
            They are configured in the section 'peers'. A peer that is refused answers, and is not who it should be, or does not take this node for its peer: the reason says which.

            Example:
              wayang peers --json
            """);
        command.SetAction(static async (result, cancellation) =>
        {
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                Print(await session.Client.ListPeersAsync(cancellation), result.GetValue(ClientOptions.Json));
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static void Print(PeerList list, bool json)
    {
        if (json)
        {
            JsonText.Print(writer => JsonText.WritePeers(writer, list));
            return;
        }

        Console.Out.WriteLine($"this node is '{list.Node}'{(list.Peers.Count == 0 ? " and has no peers" : "")}");
        if (list.Peers.Count > 0)
        {
            Console.Out.WriteLine($"{"PEER",-20}{"ADDRESS",-32}{"STATE",-12}{"FOR",10}{"ROUND TRIP",12}{"RUNNING",10}{"QUEUED",10}{"SLOTS",7}");
        }

        foreach (var peer in list.Peers)
        {
            var busy = peer.State == PeerState.Connected
                ? string.Create(CultureInfo.InvariantCulture, $"{Top.TopView.Span(peer.RoundTrip),12}{peer.Load.Running,10:#,0}{peer.Load.Queued,10:#,0}{peer.Load.Slots,7:#,0}") : string.Empty;
            Console.Out.WriteLine($"{peer.Name,-20}{peer.Address,-32}{WireNames.Text(peer.State),-12}{Top.TopView.Span(DateTimeOffset.UtcNow - peer.Since),10}{busy}");
            if (peer.Reason.Length > 0)
            {
                Console.Out.WriteLine($"    {peer.Reason}");
            }
        }
    }
}
