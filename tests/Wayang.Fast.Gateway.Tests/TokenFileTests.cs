#pragma warning disable CA1416 // Linux only.
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Xunit;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>The file of tokens: what it keeps, whom it trusts, what it says when it is wrong.</summary>
[Trait("Promise", "COM7")]
public sealed class TokenFileTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("wayang-tokens-");

    private string Path => System.IO.Path.Combine(_directory.FullName, "tokens");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void A_token_is_found_by_its_secret_which_the_file_does_not_hold()
    {
        var secret = AccessToken.NewSecret();
        Assert.StartsWith("wayang_", secret, StringComparison.Ordinal);
        Assert.NotEqual(secret, AccessToken.NewSecret());
        var token = new AccessToken("ci", 5, OperationScopes.Submit | OperationScopes.Read, AccessToken.HashOf(secret), new DateTimeOffset(2099, 1, 31, 0, 0, 0, TimeSpan.Zero));
        TokenFile.Add(Path, token);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path));
        Assert.DoesNotContain(secret, File.ReadAllText(Path), StringComparison.Ordinal);
        Assert.Equal(token, Assert.Single(TokenFile.Read(Path)));
        var store = TokenStore.Open(Path);
        Assert.Equal(token, store.Find(System.Text.Encoding.UTF8.GetBytes(secret)));
        Assert.Null(store.Find(System.Text.Encoding.UTF8.GetBytes(secret[..^1])));
        Assert.Null(store.Find([]));
    }

    [Fact]
    public void An_expired_token_opens_nothing()
    {
        var store = new TokenStore([ServerFixture.Token("old", expires: DateTimeOffset.UtcNow.AddSeconds(-1)), ServerFixture.Token("good", "b", expires: DateTimeOffset.UtcNow.AddHours(1))]);
        Assert.Null(store.Find("old"u8));
        Assert.NotNull(store.Find("good"u8));
    }

    [Fact]
    public void Removing_one_keeps_the_others_their_comments_and_the_mode()
    {
        TokenFile.Add(Path, ServerFixture.Token("a", "a"));
        TokenFile.Add(Path, ServerFixture.Token("b", "b"));
        File.AppendAllText(Path, "# kept\n");
        File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.False(TokenFile.Remove(Path, "c"));
        Assert.True(TokenFile.Remove(Path, "a"));
        Assert.Equal("b", Assert.Single(TokenFile.Read(Path)).Name);
        Assert.EndsWith("# kept\n", File.ReadAllText(Path), StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(Path));
        Assert.Contains("revoke", Assert.Throws<TokenFileException>(() => TokenFile.Add(Path, ServerFixture.Token("x", "b"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.OtherWrite)]
    [InlineData(UnixFileMode.GroupWrite)]
    public void A_file_that_is_open_to_strangers_is_refused_with_the_remedy(UnixFileMode more)
    {
        TokenFile.Add(Path, ServerFixture.Token("a", "a"));
        File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | more);
        Assert.Contains("chmod 0600", Assert.Throws<TokenFileException>(() => TokenStore.Open(Path)).Message, StringComparison.Ordinal);
        Assert.Throws<TokenFileException>(() => TokenFile.Add(Path, ServerFixture.Token("b", "b")));
    }

    [Theory]
    [InlineData("ci 0 run", "3 words")]
    [InlineData("c/i 0 run HASH", "letters, digits")]
    [InlineData("ci x run HASH", "'x'")]
    [InlineData("ci 40000 run HASH", "32767")]
    [InlineData("ci 0 write HASH", "read,submit,images,operate,admin")]
    [InlineData("ci 0 run abc", "64 hexadecimal digits")]
    [InlineData("ci 0 run HASH tomorrow", "2030-01-31T00:00:00Z")]
    [InlineData("ci 0 run HASH\nci 0 run HASH", "stands twice")]
    public void A_wrong_line_is_told_with_its_number(string lines, string words)
    {
        var text = "# a comment\n\n" + lines.Replace("HASH", AccessToken.HashOf("x"), StringComparison.Ordinal);
        var failure = Assert.Throws<TokenFileException>(() => TokenFile.Parse("/etc/t", text));
        Assert.Contains(words, failure.Message, StringComparison.Ordinal);
        Assert.StartsWith(lines.Contains('\n', StringComparison.Ordinal) ? "/etc/t:4:" : "/etc/t:3:", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reload_that_fails_leaves_the_former_tokens()
    {
        TokenFile.Add(Path, ServerFixture.Token("a", "a"));
        var store = TokenStore.Open(Path);
        File.WriteAllText(Path, "nonsense");
        Assert.Throws<TokenFileException>(store.Reload);
        Assert.NotNull(store.Find("a"u8));
        File.Delete(Path);
        Assert.Contains("wayang token create", Assert.Throws<IOException>(store.Reload).Message, StringComparison.Ordinal);
        Assert.NotNull(store.Find("a"u8));
        TokenFile.Add(Path, ServerFixture.Token("b", "b"));
        store.Reload();
        Assert.Null(store.Find("a"u8));
        Assert.NotNull(store.Find("b"u8));
    }

    [Fact]
    public void What_the_starter_read_serves_where_the_daemon_may_not_read()
    {
        TokenFile.Add(Path, ServerFixture.Token("a", "a"));
        var text = TokenFile.ReadText(Path);
        File.Delete(Path);
        var store = TokenStore.Open(Path, text);
        Assert.NotNull(store.Find("a"u8));
        Assert.False(store.FollowsFile);
        Assert.Contains("config reload", Assert.Throws<TokenFileException>(store.Reload).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Too_many_and_too_long_are_refused()
    {
        var many = string.Join('\n', Enumerable.Range(0, TokenFile.MaxTokens + 1).Select(static i => TokenFile.Format(ServerFixture.Token("x", $"n{i}"))));
        Assert.Contains("400", Assert.Throws<TokenFileException>(() => TokenFile.Parse("/t", many)).Message, StringComparison.Ordinal);
        TokenFile.Add(Path, ServerFixture.Token("a", "a"));
        File.AppendAllText(Path, new string('#', TokenFile.MaxBytes));
        Assert.Contains("65536", Assert.Throws<TokenFileException>(() => TokenFile.Read(Path)).Message, StringComparison.Ordinal);
    }
}
