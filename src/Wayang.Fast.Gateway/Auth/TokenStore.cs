using System.Security.Cryptography;

namespace Wayang.Fast.Gateway.Auth;

/// <summary>
/// The tokens that open a session. Lookups take no lock and run beside a reload; a reload that fails leaves the former
/// tokens in force.
/// </summary>
public sealed class TokenStore
{
    private readonly Lock _reloading = new();
    private readonly TimeProvider _time;
    private readonly string? _path;
    private Entry[] _entries = [];
    private (DateTime Written, long Bytes) _seen;
    private bool _isReadable;

    /// <summary>Fixed tokens, without a file.</summary>
    public TokenStore(IEnumerable<AccessToken> tokens, TimeProvider? time = null)
    {
        _time = time ?? TimeProvider.System;
        Take(tokens);
    }

    private TokenStore(string path, TimeProvider? time)
    {
        _time = time ?? TimeProvider.System;
        _path = path;
    }

    /// <summary>Told of each line that was added, changed or taken away, from the next reload on. Any thread; must not throw.</summary>
    public Action<TokenChange>? OnChange { get; set; }

    public int Count => Volatile.Read(ref _entries).Length;

    /// <summary>Whether a change of the file is seen without a restart.</summary>
    public bool FollowsFile => _path is not null && _isReadable;

    /// <param name="path">The file; it must exist.</param>
    /// <param name="text">
    /// What it said when whoever started the node read it: used when this process may not read it. The tokens are then fixed.
    /// </param>
    /// <param name="time">By which tokens expire.</param>
    /// <exception cref="IOException">It cannot be read, or not be used: the message says what to do.</exception>
    public static TokenStore Open(string path, string? text = null, TimeProvider? time = null)
    {
        var store = new TokenStore(path, time) { _isReadable = true };
        try
        {
            store.Reload();
        }
        catch (Exception failure) when (failure is not TokenFileException && text is not null)
        {
            store._isReadable = false;
            store.Take(TokenFile.Parse(path, text));
        }

        return store;
    }

    /// <summary>
    /// The token's record, or null for one that is unknown or has expired. Every hash is compared, each in constant time: how
    /// long it takes tells nothing.
    /// </summary>
    public AccessToken? Find(ReadOnlySpan<byte> secret)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(secret, hash);
        AccessToken? found = null;
        foreach (var entry in Volatile.Read(ref _entries))
        {
            if (CryptographicOperations.FixedTimeEquals(hash, entry.Hash))
            {
                found = entry.Token;
            }
        }

        return found is not null && !HasExpired(found) ? found : null;
    }

    /// <summary>The record of a certificate with these names, or null: none has one of them, more than one has, or it has expired.</summary>
    public AccessToken? FindCertificate(IReadOnlyList<string> names)
    {
        var found = Array.FindAll(Volatile.Read(ref _entries), entry => entry.Token.Certificate is { } name && names.Contains(name, StringComparer.Ordinal));
        return found.Length == 1 && !HasExpired(found[0].Token) ? found[0].Token : null;
    }

    /// <summary>Whether a session that was opened with it may go on: it is in force as it was, and has not expired.</summary>
    public bool IsInForce(AccessToken token) => !HasExpired(token) && Array.Exists(Volatile.Read(ref _entries), entry => entry.Token == token);

    /// <summary>Reads the file again.</summary>
    /// <exception cref="IOException">It cannot be read or used; the former tokens stay in force.</exception>
    public void Reload()
    {
        if (_path is null)
        {
            return;
        }

        if (!_isReadable)
        {
            throw new TokenFileException($"{_path} cannot be read by the daemon's user: 'wayang config reload' takes up a change");
        }

        lock (_reloading)
        {
            // Looked at before it is read: a change in between is seen the next time.
            var seen = Look();
            try
            {
                Take(TokenFile.Read(_path));
            }
            catch (Exception failure) when (failure is UnauthorizedAccessException or (IOException and not TokenFileException))
            {
                throw new IOException($"the tokens cannot be read: {failure.Message} Make the file with 'wayang token create --name NAME --file {_path}'.", failure);
            }
            finally
            {
                _seen = seen;
            }
        }
    }

    /// <summary>Takes the tokens of a text that whoever may read the file has read.</summary>
    /// <exception cref="TokenFileException">It cannot be used; the former tokens stay in force.</exception>
    public void Replace(string text) => Take(TokenFile.Parse(_path ?? "tokens", text));

    /// <summary>Takes up a change of the file, if there is one; returns what is wrong with it. Cheap when nothing changed.</summary>
    internal string? Follow()
    {
        if (!FollowsFile || Look() == _seen)
        {
            return null;
        }

        try
        {
            Reload();
            return null;
        }
        catch (IOException failure)
        {
            return failure.Message;
        }
    }

    private void Take(IEnumerable<AccessToken> tokens)
    {
        Entry[] entries = [.. tokens.Select(static token => new Entry(token, token.Certificate is null ? Convert.FromHexString(token.Proof) : []))];
        var former = Interlocked.Exchange(ref _entries, entries);
        if (OnChange is { } told)
        {
            foreach (var change in TokenChange.Between(former.Select(static entry => entry.Token), [.. entries.Select(static entry => entry.Token)]))
            {
                told(change);
            }
        }
    }

    private bool HasExpired(AccessToken token) => token.Expires is { } time && _time.GetUtcNow() >= time;

    private (DateTime Written, long Bytes) Look()
    {
        try
        {
            var file = new FileInfo(_path!);
            return file.Exists ? (file.LastWriteTimeUtc, file.Length) : default;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return default;
        }
    }

    private sealed record Entry(AccessToken Token, byte[] Hash);
}
