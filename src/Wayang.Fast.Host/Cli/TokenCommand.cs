using System.CommandLine;
using System.Globalization;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang token</c>: the file of tokens that lets callers in over TCP. It needs no runtime; a running one follows the file.</summary>
internal static class TokenCommand
{
    private static readonly Option<string> Tokens = new("--file", "-f")
    {
        Description = "The node's file of tokens (rpc_tcp.tokens_file); made where there is none.", HelpName = "FILE", Required = true,
    };

    private static readonly Option<string> Name = new("--name") { Description = "Whom the token stands for.", HelpName = "NAME", Required = true };

    private static readonly Option<string?> Tenant = new("--tenant")
    {
        Description = "Whose tasks and images its bearer sees: a number, or with --config the name of one of its tenants; default 0.", HelpName = "TENANT",
    };

    private static readonly Option<string?> Config = new("--config", "-c") { Description = "The node's configuration, which names its tenants.", HelpName = "FILE" };

    private static readonly Option<string?> Scopes = new("--scopes", "--scope")
    {
        Description = "What its bearer may do: some of read,submit,images,operate,admin; default read,submit,images.", HelpName = "LIST",
    };

    private static readonly Option<string?> Expires = new("--expires")
    {
        Description = "When it ends: days or hours from now (90d, 12h) or a time (2030-01-31T00:00:00Z); default never.", HelpName = "WHEN",
    };

    private static readonly Option<string?> Certificate = new("--cert")
    {
        Description = "No token: callers show a certificate of this name (tls.client_ca_file).", HelpName = "NAME",
    };

    private static readonly Argument<string> Revoked = new("NAME") { Description = "The token's name." };

    public static Command Build()
    {
        var command = new Command("token", "Makes, lists and revokes the tokens that let callers in over TCP.") { BuildCreate(), BuildList(), BuildRevoke() };
        DetailedHelp.Describe(
            command,
            """
            The file holds a SHA-256 of each token, never a token, and must be closed to strangers (mode 0600 or 0640).
            A running node that can read it takes up a change within a second or two.

            Examples:
              wayang token create --name ci --file /etc/wayang/tokens --scopes submit,images --expires 90d
              wayang token list --file /etc/wayang/tokens
              wayang token revoke ci --file /etc/wayang/tokens
            """);
        return command;
    }

    private static Command BuildCreate()
    {
        var create = new Command("create", "Makes a token, prints it once, and keeps its hash.") { Name, Tokens, Tenant, Config, Scopes, Expires, Certificate };
        DetailedHelp.Describe(
            create,
            """
            Example:
              (umask 077; wayang token create --name ci --file /etc/wayang/tokens > ci.token)
              wayang --endpoint tcp://127.0.0.1:7800 --token-file ci.token node
            """);
        create.SetAction(static result => Told(result, Create));
        return create;
    }

    private static Command BuildList()
    {
        var list = new Command("list", "Lists the tokens of a file: name, tenant, scopes, expiry.") { Tokens };
        DetailedHelp.Describe(
            list,
            """
            Example:
              wayang token list --file /etc/wayang/tokens --json
            """);
        list.SetAction(static result => Told(result, List));
        return list;
    }

    private static Command BuildRevoke()
    {
        var revoke = new Command("revoke", "Takes a token out; sessions that it opened end.") { Revoked, Tokens };
        DetailedHelp.Describe(
            revoke,
            """
            Example:
              wayang token revoke ci --file /etc/wayang/tokens
            """);
        revoke.SetAction(static result => Told(result, Revoke));
        return revoke;
    }

    private static void Create(ParseResult result, string file)
    {
        var certificate = ReadCertificate(result);
        var secret = AccessToken.NewSecret();
        var token = new AccessToken(ReadName(result), ReadTenant(result), ReadScopes(result), certificate is null ? AccessToken.HashOf(secret) : AccessToken.CertificatePrefix + certificate, ReadExpiry(result));
        TokenFile.Add(file, token);
        if (result.GetValue(ClientOptions.Json))
        {
            JsonText.Print(writer =>
            {
                if (certificate is null)
                {
                    writer.WriteString("token", secret);
                }

                Write(writer, token);
            });
            return;
        }

        if (certificate is not null)
        {
            Console.Out.WriteLine($"who shows the certificate of '{certificate}' is '{token.Name}' now");
            return;
        }

        Console.Out.WriteLine(secret);
        Console.Error.WriteLine($"wayang: this is the only time that the token of '{token.Name}' is shown; {file} keeps its hash");
    }

    private static void List(ParseResult result, string file)
    {
        var tokens = TokenFile.Read(file);
        if (result.GetValue(ClientOptions.Json))
        {
            JsonText.Print(writer =>
            {
                writer.WriteStartArray("tokens");
                foreach (var token in tokens)
                {
                    writer.WriteStartObject();
                    Write(writer, token);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            });
            return;
        }

        foreach (var token in tokens)
        {
            var expiry = token.Expires is not { } time ? "never expires"
                : (time > DateTimeOffset.UtcNow ? "expires " : "EXPIRED ") + TokenFile.Time(time);
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{token.Name,-24} tenant {token.Tenant,-5} {ScopeNames.Text(token.Scopes),-26} {expiry}"));
        }
    }

    private static void Revoke(ParseResult result, string file)
    {
        var name = result.GetRequiredValue(Revoked);
        if (!TokenFile.Remove(file, name))
        {
            var nearest = NearestName.Of(name, TokenFile.Read(file).Select(static token => token.Name));
            throw new CommandException(
                $"{file} has no token named '{name}'{(nearest is null ? "" : $"; did you mean '{nearest}'?")}", $"See which there are: wayang token list --file {file}", ExitCodes.Usage);
        }

        if (!result.GetValue(ClientOptions.Json))
        {
            Console.Out.WriteLine($"revoked {name}");
            return;
        }

        JsonText.Print(writer => writer.WriteString("revoked", name));
    }

    private static int Told(ParseResult result, Action<ParseResult, string> act)
    {
        var file = Path.GetFullPath(result.GetRequiredValue(Tokens));
        try
        {
            act(result, file);
            return ExitCodes.Success;
        }
        catch (TokenFileException fault)
        {
            throw new CommandException(fault.Message, fault);
        }
        catch (FileNotFoundException)
        {
            throw new CommandException($"{file} does not exist", $"Make it with the first token: wayang token create --name NAME --file {file}");
        }
    }

    private static string ReadName(ParseResult result) => result.GetRequiredValue(Name) is var name && AccessToken.IsName(name)
        ? name
        : throw new CommandException($"'{name}' is no name of a token", "A name holds letters, digits, '.', '_' and '-', at most 63.", ExitCodes.Usage);

    private static string? ReadCertificate(ParseResult result) => result.GetValue(Certificate) is not { } name || AccessToken.IsCertificateName(name)
        ? result.GetValue(Certificate)
        : throw new CommandException($"'{name}' is no name of a certificate", "Write its common name or one of its DNS names.", ExitCodes.Usage);

    private static int ReadTenant(ParseResult result)
    {
        if (result.GetValue(Tenant) is not { } text)
        {
            return 0;
        }

        if (text.Length > 0 && text.All(char.IsAsciiDigit))
        {
            return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id <= AccessToken.MaxTenant
                ? id
                : throw new CommandException("no such tenant", $"A tenant is a number from 0 to {AccessToken.MaxTenant}.", ExitCodes.Usage);
        }

        if (result.GetValue(Config) is not { } file)
        {
            throw new CommandException($"--tenant '{text}' is a name", "Say whose it is: --config FILE, the node's configuration; or write the tenant's number ('wayang tenants').", ExitCodes.Usage);
        }

        var tenants = NodeConfiguration.Of(ConfigurationInput.Gather(file)).OrThrow().Settings.Tenants.Where(static t => !t.IsOthers).ToList();
        var nearest = NearestName.Of(text, tenants.Select(static t => t.Name));
        return tenants.Find(t => t.Name == text)?.Policy.Id ?? throw new CommandException(
            $"{file} has no tenant '{text}'{(nearest is null ? "" : $"; did you mean '{nearest}'?")}",
            tenants.Count == 0 ? "Its section tenants: is empty." : $"There are: {string.Join(", ", tenants.Select(static t => t.Name))}.", ExitCodes.Usage);
    }

    private static OperationScopes ReadScopes(ParseResult result) => result.GetValue(Scopes) is not { } text ? OperationScopes.Work
        : ScopeNames.TryParse(text, out var scopes) ? scopes
        : throw new CommandException($"'{text}' is no list of scopes", $"Write some of {string.Join(',', ScopeNames.All)}, with commas between.", ExitCodes.Usage);

    private static DateTimeOffset? ReadExpiry(ParseResult result)
    {
        if (result.GetValue(Expires) is not { } text)
        {
            return null;
        }

        const int most = 36_500;
        if (text.Length > 1 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is > 0 and <= most && text[^1] is 'd' or 'h')
        {
            return DateTimeOffset.UtcNow + (text[^1] == 'd' ? TimeSpan.FromDays(count) : TimeSpan.FromHours(count));
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) && time > DateTimeOffset.UtcNow
            ? time
            : throw new CommandException($"'{text}' is no time to come", "Write days or hours from now (90d, 12h), or a time like 2030-01-31T00:00:00Z.", ExitCodes.Usage);
    }

    private static void Write(System.Text.Json.Utf8JsonWriter writer, AccessToken token)
    {
        writer.WriteString("name", token.Name);
        writer.WriteNumber("tenant", token.Tenant);
        JsonText.WriteTexts(writer, "scopes", ScopeNames.Text(token.Scopes).Split(','));
        if (token.Certificate is { } certificate)
        {
            writer.WriteString("certificate", certificate);
        }

        if (token.Expires is { } time)
        {
            writer.WriteString("expires", TokenFile.Time(time));
        }
    }
}
