#pragma warning disable CA1416 // The runtime is Linux only: files have modes here.
using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Gateway.Auth;

/// <summary>
/// The file of tokens: a line each, <c>NAME TENANT SCOPES SHA256 [EXPIRES]</c>, and comments after '#'. It holds hashes only,
/// and still strangers may neither read nor write it: who could write it could let himself in.
/// </summary>
public static class TokenFile
{
    /// <summary>It may travel to the daemon in one variable of the environment, which the kernel bounds to 128 KiB.</summary>
    public const int MaxBytes = 64 << 10;

    /// <summary>A session is found by comparing with each of them.</summary>
    public const int MaxTokens = 400;

    private const string Heading = "# Tokens of wayang: NAME TENANT SCOPES SHA256 [EXPIRES]. Made by 'wayang token create'; the tokens themselves are kept nowhere.\n";
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss'Z'";
    private const int HashDigits = 64;

    private const UnixFileMode Strangers = UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <exception cref="TokenFileException">It is open to strangers, too long, or says something that is no token.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not read it.</exception>
    public static IReadOnlyList<AccessToken> Read(string path) => Parse(path, ReadText(path));

    /// <summary>The text of the file, whose owner and mode are checked on the very file that is read.</summary>
    public static string ReadText(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        Check(path, stream);
        return ReadAll(path, stream);
    }

    /// <summary>Reads <paramref name="text"/>; <paramref name="path"/> is named in errors.</summary>
    public static IReadOnlyList<AccessToken> Parse(string path, string text)
    {
        var tokens = new List<AccessToken>();
        var lines = text.Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            if (ParseLine(lines[i], out var token) is { } fault)
            {
                throw new TokenFileException(string.Create(CultureInfo.InvariantCulture, $"{path}:{i + 1}: {fault}"));
            }

            if (token is null)
            {
                continue;
            }

            if (tokens.Exists(other => string.Equals(other.Name, token.Name, StringComparison.Ordinal)))
            {
                throw new TokenFileException(string.Create(CultureInfo.InvariantCulture, $"{path}:{i + 1}: the name '{token.Name}' stands twice; remove one of the lines"));
            }

            tokens.Add(token);
        }

        return tokens.Count <= MaxTokens ? tokens : throw TooMany(path);
    }

    /// <summary>Appends a token; makes the file, closed to all but its owner, if there is none.</summary>
    /// <exception cref="TokenFileException">The name is taken, or the file cannot be used.</exception>
    public static void Add(string path, AccessToken token)
    {
        using var stream = OpenAlone(path, FileMode.OpenOrCreate);
        var text = ReadAll(path, stream);
        var known = Parse(path, text);
        if (known.Any(other => string.Equals(other.Name, token.Name, StringComparison.Ordinal)))
        {
            throw new TokenFileException($"{path} has a token named '{token.Name}' already: choose another name, or revoke that one first (wayang token revoke {token.Name} --file {path})");
        }

        if (known.Count == MaxTokens)
        {
            throw TooMany(path);
        }

        var line = (text.Length == 0 ? Heading : text.EndsWith('\n') ? "" : "\n") + Format(token) + "\n";
        var bytes = Encoding.UTF8.GetBytes(line);
        if (stream.Length + bytes.Length > MaxBytes)
        {
            throw TooLong(path);
        }

        stream.Seek(0, SeekOrigin.End);
        stream.Write(bytes);
        stream.Flush(flushToDisk: true);
    }

    /// <summary>Takes a token out; comments and the other lines stay. False when there is none of that name.</summary>
    public static bool Remove(string path, string name)
    {
        using var stream = OpenAlone(path, FileMode.Open);
        var text = ReadAll(path, stream);
        Parse(path, text);
        var lines = text.Split('\n');
        var kept = Array.FindAll(lines, line => ParseLine(line, out var token) is not null || !string.Equals(token?.Name, name, StringComparison.Ordinal));
        if (kept.Length == lines.Length)
        {
            return false;
        }

        // Beside it and then renamed: a reader, or a crash, finds the old list or the new one.
        var fresh = path + ".new";
        File.Delete(fresh);
        using (var target = new FileStream(fresh, new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = File.GetUnixFileMode(stream.SafeFileHandle),
        }))
        {
            target.Write(Encoding.UTF8.GetBytes(string.Join('\n', kept)));
            target.Flush(flushToDisk: true);
        }

        File.Move(fresh, path, overwrite: true);
        return true;
    }

    public static string Format(AccessToken token) => string.Create(
        CultureInfo.InvariantCulture,
        $"{token.Name} {token.Tenant} {ScopeNames.Text(token.Scopes)} {token.Proof}{(token.Expires is { } time ? " " + Time(time) : "")}");

    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture);

    /// <summary>Returns what is wrong with a line, or null; a line without a token leaves it null.</summary>
    private static string? ParseLine(string line, out AccessToken? token)
    {
        token = null;
        var comment = line.IndexOf('#', StringComparison.Ordinal);
        var words = (comment < 0 ? line : line[..comment]).Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0)
        {
            return null;
        }

        if (words.Length is < 4 or > 5)
        {
            return $"{words.Length} words; a line is NAME TENANT SCOPES SHA256 [EXPIRES]";
        }

        if (!AccessToken.IsName(words[0]))
        {
            return "the name holds letters, digits, '.', '_' and '-' only, at most 63";
        }

        if (!int.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var tenant) || tenant > AccessToken.MaxTenant)
        {
            return $"the tenant is a number from 0 to {AccessToken.MaxTenant}, not '{words[1]}'";
        }

        if (!ScopeNames.TryParse(words[2], out var scopes))
        {
            return $"the scopes are some of {string.Join(',', ScopeNames.All)}, with commas between, not '{words[2]}'";
        }

        var proof = words[3];
        var isCertificate = proof.StartsWith(AccessToken.CertificatePrefix, StringComparison.Ordinal);
        if (isCertificate ? !AccessToken.IsCertificateName(proof[AccessToken.CertificatePrefix.Length..]) : proof.Length != HashDigits || !proof.All(char.IsAsciiHexDigit))
        {
            return "the fourth word is the SHA-256 of a token, 64 hexadecimal digits, or cert: and the name of a certificate; make one with 'wayang token create'";
        }

        DateTimeOffset? expires = null;
        if (words.Length == 5)
        {
            if (!DateTimeOffset.TryParseExact(words[4], TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
            {
                return $"the expiry is a time like 2030-01-31T00:00:00Z, not '{words[4]}'";
            }

            expires = time;
        }

        token = new AccessToken(words[0], tenant, scopes, isCertificate ? proof : proof.ToLowerInvariant(), expires);
        return null;
    }

    /// <summary>One writer at a time; a second one is told instead of made to wait.</summary>
    private static FileStream OpenAlone(string path, FileMode mode)
    {
        var stream = new FileStream(path, new FileStreamOptions
        {
            Mode = mode, Access = FileAccess.ReadWrite, Share = FileShare.None,
            UnixCreateMode = mode == FileMode.OpenOrCreate ? UnixFileMode.UserRead | UnixFileMode.UserWrite : null,
        });
        try
        {
            Check(path, stream);
            return stream;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    private static void Check(string path, FileStream stream)
    {
        var mode = File.GetUnixFileMode(stream.SafeFileHandle);
        if ((mode & Strangers) != UnixFileMode.None)
        {
            throw new TokenFileException($"{path} is open to strangers (mode {Convert.ToString((int)mode, 8)}): close it with 'chmod 0600 {path}' (0640 where a group shall read it)");
        }
    }

    private static string ReadAll(string path, FileStream stream)
    {
        if (stream.Length > MaxBytes)
        {
            throw TooLong(path);
        }

        using var reader = new StreamReader(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true);
        return reader.ReadToEnd();
    }

    private static TokenFileException TooMany(string path) => new($"{path}: more than {MaxTokens} tokens; revoke some");

    private static TokenFileException TooLong(string path) => new($"{path}: a file of tokens has at most {MaxBytes} bytes; revoke some");
}
