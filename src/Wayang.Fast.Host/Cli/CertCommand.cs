using System.CommandLine;
using System.Globalization;
using System.Net;

using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang cert</c>: a private authority, and certificates of nodes and callers that it signs. It needs no runtime.</summary>
internal static class CertCommand
{
    private const string DefaultName = "wayang private authority";
    private const int MostDays = 36_500;

    private static readonly Option<string> Place = new("--dir", "-d") { Description = "The authority's directory; made by 'init', closed to all others.", HelpName = "DIR", Required = true };

    private static readonly Argument<string> Subject = new("NAME") { Description = "The common name, and the files' name: the host that a node is reached as, or whom a caller is." };

    private static readonly Option<bool> Client = new("--client") { Description = "For a caller; without it for a node." };

    private static readonly Option<bool> Peer = new("--peer") { Description = "For a node that is also a peer of others: it comes to them with the same certificate." };

    private static readonly Option<string[]> Names = new("--san") { Description = "A DNS name or an address beside NAME; may be given more than once.", HelpName = "NAME" };

    private static readonly Option<int> Days = new("--days") { Description = "How long it is good; default 90, an authority 3650.", HelpName = "DAYS" };

    public static Command Build()
    {
        var init = new Command("init", "Makes an authority: ca.pem, which everybody may have, and ca-key.pem, which nobody may.") { Place, Days };
        DetailedHelp.Describe(
            init,
            """
            Example:
              wayang cert init --dir /etc/wayang/pki
            """);
        init.SetAction(static result => Told(() => Init(result)));
        var issue = new Command("issue", "Signs a certificate for a node, or with --client for a caller: NAME.pem and NAME-key.pem.") { Subject, Place, Client, Peer, Names, Days };
        DetailedHelp.Describe(
            issue,
            """
            Example:
              wayang cert issue node1.example --dir /etc/wayang/pki --san 127.0.0.1 --san localhost
              wayang cert issue node2 --peer --dir /etc/wayang/pki --san node2.example
              wayang cert issue ci --client --dir /etc/wayang/pki
            """);
        issue.SetAction(static result => Told(() => Issue(result)));
        var command = new Command("cert", "Makes a private authority and certificates for TLS of the gRPC and REST doors.") { init, issue };
        DetailedHelp.Describe(
            command,
            """
            Keys are ECDSA P-256, their files have mode 0600; no file is ever written over.

            Examples:
              wayang cert init --dir /etc/wayang/pki
              wayang cert issue node1.example --dir /etc/wayang/pki --san localhost
            """);
        return command;
    }

    private static void Init(ParseResult result)
    {
        var authority = new PrivateAuthority(Path.GetFullPath(result.GetRequiredValue(Place)));
        authority.Create(DefaultName, Validity(result, 3650));
        Tell(result, authority.CertificatePath, authority.KeyPath, until: null);
    }

    private static void Issue(ParseResult result)
    {
        var name = result.GetRequiredValue(Subject);
        foreach (var each in (result.GetValue(Names) ?? []).Prepend(name))
        {
            if (!IPAddress.TryParse(each, out _) && !(AccessToken.IsName(each) && each is not ("." or "..")))
            {
                throw new CommandException($"'{each}' is no name for a certificate", "Write a DNS name or an address: letters, digits, '.', '_' and '-', at most 63.", ExitCodes.Usage);
            }
        }

        if (result.GetValue(Client) && result.GetValue(Peer))
        {
            throw new CommandException("--client and --peer exclude each other", "A peer's certificate is good for both sides already.", ExitCodes.Usage);
        }

        if (name is "ca" or "ca-key")
        {
            throw new CommandException($"'{name}' is the authority's own name", "Choose another one.", ExitCodes.Usage);
        }

        var directory = Path.GetFullPath(result.GetRequiredValue(Place));
        var (certificate, key, until) = new PrivateAuthority(directory).Issue(name, !result.GetValue(Client), result.GetValue(Names) ?? [], Validity(result, 90), result.GetValue(Peer));
        Tell(result, certificate, key, until);
    }

    private static TimeSpan Validity(ParseResult result, int usual) => result.GetValue(Days) switch
    {
        0 => TimeSpan.FromDays(usual),
        var days and > 0 and <= MostDays => TimeSpan.FromDays(days),
        _ => throw new CommandException("--days is out of its range", string.Create(CultureInfo.InvariantCulture, $"Write a number from 1 to {MostDays}."), ExitCodes.Usage),
    };

    private static void Tell(ParseResult result, string certificate, string key, DateTimeOffset? until)
    {
        if (result.GetValue(ClientOptions.Json))
        {
            JsonText.Print(writer =>
            {
                writer.WriteString("certificate", certificate);
                writer.WriteString("key", key);
                if (until is { } end)
                {
                    writer.WriteString("until", TokenFile.Time(end));
                }
            });
            return;
        }

        Console.Out.WriteLine($"certificate {certificate}");
        Console.Out.WriteLine($"key         {key} (mode 0600: keep it closed)");
    }

    private static int Told(Action act)
    {
        try
        {
            act();
            return ExitCodes.Success;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(fault.Message, fault);
        }
    }
}
