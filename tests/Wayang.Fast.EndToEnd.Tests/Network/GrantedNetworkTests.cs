using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Text;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Network;

/// <summary>
/// Network levels: nothing, a loopback, what was granted, the host's where the policy allows it. A server of the test stands on the
/// host's loopback, which only a policy that names that address lets be granted.
/// </summary>
[Trait("Promise", "IM2")]
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
public sealed class GrantedNetworkTests : IDisposable
{
    private const UnixFileMode Shared = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    // What it prints: a line for each way, "went" or the error's name.
    private const string Ways = """
        import errno, os, socket, sys
        def t(name, f):
            try:
                f(); print(name, 'went')
            except OSError as e:
                print(name, errno.errorcode.get(e.errno, type(e).__name__))
        port = int(sys.argv[1])
        def lo():
            s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); socket.create_connection(s.getsockname(), 2)
        t('loopback', lo)
        t('host', lambda: socket.create_connection(('127.0.0.1', port), 2))
        t('metadata', lambda: socket.create_connection(('169.254.169.254', 80), 2))
        t('public', lambda: socket.create_connection(('1.1.1.1', 53), 2))
        t('ipv6', lambda: socket.create_connection(('2606:4700:4700::1111', 53), 2))
        t('udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('1.1.1.1', 53)))
        t('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
        t('packet', lambda: socket.socket(17, socket.SOCK_RAW))
        t('netlink', lambda: socket.socket(16, socket.SOCK_RAW))
        t('vsock', lambda: socket.socket(40, socket.SOCK_STREAM))
        t('dns', lambda: socket.getaddrinfo('example.com', 80))
        t('device', lambda: socket.socket().setsockopt(socket.SOL_SOCKET, 25, b'lo\0'))
        """;

    private readonly string _scratch = Directory.CreateTempSubdirectory("wayang-network-").FullName;
    private readonly TcpListener _server = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();

    private string Policy => Path.Combine(_scratch, "policy");

    private int Port => ((IPEndPoint)_server.LocalEndpoint).Port;

    public void Dispose()
    {
        _stop.Cancel();
        _server.Dispose();
        _stop.Dispose();
        Directory.Delete(_scratch, recursive: true);
    }

    [Theory]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    public async Task Without_a_grant_nothing_but_its_own_loopback_answers(Account account)
    {
        Prepare(account);
        var end = await PythonAsync(account, Ways, "--profile", "network");
        Assert.True(end.Code == 0, end.ToString());
        Assert.Equal(
            """
            loopback went
            host ECONNREFUSED
            metadata ENETUNREACH
            public ENETUNREACH
            ipv6 ENETUNREACH
            udp ENETUNREACH
            raw EPERM
            packet EAFNOSUPPORT
            netlink EAFNOSUPPORT
            vsock EAFNOSUPPORT
            dns gaierror
            device EPERM

            """,
            end.Out.Replace("ipv6 EADDRNOTAVAIL", "ipv6 ENETUNREACH", StringComparison.Ordinal).Replace("device went", "device EPERM", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    public async Task What_was_granted_is_reached_and_nothing_beside_it(Account account)
    {
        Prepare(account);
        var script = $$"""
            import socket, sys
            port = int(sys.argv[1])
            def ask(text):
                s = socket.create_connection(('127.0.0.1', 3128), 5); s.sendall(text.encode('latin1'))
                out = b''
                while True:
                    part = s.recv(4096)
                    if not part: break
                    out += part
                return out.decode('latin1')
            def connect(where):
                s = socket.create_connection(('127.0.0.1', 3128), 5)
                s.sendall(f'CONNECT {where} HTTP/1.1\r\n\r\n'.encode())
                return s.recv(64).split(b' ')[1].decode()
            def socks(host, port):
                s = socket.create_connection(('127.0.0.1', 3128), 5)
                s.sendall(b'\x05\x01\x00'); s.recv(2)
                s.sendall(b'\x05\x01\x00\x03' + bytes([len(host)]) + host.encode() + port.to_bytes(2, 'big'))
                return s.recv(10)[1]
            print('get', ask(f'GET http://127.0.0.1:{port}/here HTTP/1.1\r\nHost: evil.example\r\n\r\n').splitlines()[-1])
            print('connect', connect(f'127.0.0.1:{port}'))
            print('socks', socks('127.0.0.1', port))
            print('same address, other spelling', connect(f'127.1:{port}'), connect(f'2130706433:{port}'), connect(f'[::ffff:127.0.0.1]:{port}'))
            print('port', connect(f'127.0.0.1:{port + 1}'))
            print('name of it', connect(f'localhost:{port}'))
            print('metadata', connect('169.254.169.254:80'), socks('169.254.169.254', 80))
            print('other', connect('example.com:443'), connect('1.1.1.1:443'), connect('[::1]:80'))
            print('socks', socks('127.0.0.2', port))
            print('redirect', ask(f'GET http://127.0.0.1:{port}@1.1.1.1/ HTTP/1.1\r\n\r\n').split(' ')[1])
            print('user', ask(f'GET http://1.1.1.1@127.0.0.1:{port}/user HTTP/1.1\r\n\r\n').splitlines()[-1])
            print('garbage', repr(ask('\x16\x03\x01\r\n\r\n')))
            print('direct', socket.socket().connect_ex(('127.0.0.1', port)) != 0)
            """;
        var end = await PythonAsync(account, script, "--grant", Granted());
        Assert.True(end.Code == 0, end.ToString());
        Assert.Equal(
            """
            get GET /here
            connect 200
            socks 0
            same address, other spelling 200 200 200
            port 403
            name of it 403
            metadata 403 2
            other 403 403 403
            socks 2
            redirect 403
            user GET /user
            garbage ''
            direct True

            """,
            end.Out);
    }

    [Fact]
    public async Task Programs_find_the_proxy_by_their_environment_and_a_refusal_is_told()
    {
        Prepare(Account.Root);
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root);
        var end = await PythonAsync(
            Account.Root,
            "import urllib.request, urllib.error\ntry: urllib.request.urlopen('http://example.com:81/')\nexcept urllib.error.HTTPError as e: print(e.code, e.read().decode())",
            "--grant", "connect=example.com:80");
        Assert.Equal("403 wayang: example.com:81 was not granted to this task (it has connect=example.com:80)\n\n", end.Out);
    }

    [Fact]
    public async Task A_grant_beyond_the_ceiling_is_refused_before_the_task_exists()
    {
        Prepare(Account.Root);
        foreach (var (arguments, told) in ((string[], string)[])[
            (["--grant", "connect=10.0.0.1:80"], "connect=10.0.0.1:80 is more than profile network lets tasks be granted: *:*, 127.0.0.1:*"),
            (["--grant", "connect=169.254.169.254:80"], "an address that is not of the internet needs a line of its own"),
            (["--grant", "connect=example.com:443", "--profile", "standard"], "profile standard has network none, where no destination is granted; use network"),
            (["--profile", "trusted"], "'trusted' is not known")])
        {
            var end = await Finished.RunAsync(Account.Root, [Installation.Wayang, "run", .. arguments, "--", "true"], ("WAYANG_POLICY", Policy));
            Assert.Equal(125, end.Code);
            Assert.Contains(told, end.Err, StringComparison.Ordinal);
        }

        var wrong = await Finished.RunAsync(Account.Root, [Installation.Wayang, "run", "--grant", "connect=nowhere", "--", "true"], ("WAYANG_POLICY", Policy));
        Assert.Equal(2, wrong.Code);
        Assert.Contains("'nowhere' is no destination", wrong.Err, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    public async Task The_hosts_network_needs_the_policys_word(Account account)
    {
        Prepare(account);
        var conf = Path.Combine(Policy, "policy.conf");
        await File.WriteAllTextAsync(conf, (await File.ReadAllTextAsync(conf, TestContext.Current.CancellationToken)).Replace("host_network 0", "host_network 1", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        var end = await PythonAsync(account, Ways, "--profile", "trusted");
        Assert.Contains("host went\n", end.Out, StringComparison.Ordinal);
        Assert.Contains("raw EPERM\npacket EAFNOSUPPORT\nnetlink EAFNOSUPPORT\n", end.Out, StringComparison.Ordinal);
    }

    private string Granted() => string.Create(CultureInfo.InvariantCulture, $"connect=127.0.0.1:{Port}");

    private Task<Finished> PythonAsync(Account account, string script, params string[] options) => Finished.RunAsync(
        account,
        [Installation.Wayang, "run", .. options, "--", "python3", "-c", script, Port.ToString(CultureInfo.InvariantCulture)],
        ("WAYANG_POLICY", Policy));

    private void Prepare(Account account)
    {
        Finished.Require(account);
        Assert.SkipUnless(File.Exists("/usr/bin/python3"), "needs python3");
        File.SetUnixFileMode(_scratch, Shared);
        Directory.CreateDirectory(Policy, Shared);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Installation.NativeDirectory, "policy")))
        {
            File.Copy(file, Path.Combine(Policy, Path.GetFileName(file)));
        }

        File.AppendAllText(Path.Combine(Policy, "network.profile"), "destination 127.0.0.1:*\n");
        _server.Start();
        _ = ServeAsync();
    }

    /// <summary>Answers each request with its first two words.</summary>
    private async Task ServeAsync()
    {
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                using var client = await _server.AcceptTcpClientAsync(_stop.Token);
                var buffer = new byte[4096];
                var count = await client.GetStream().ReadAsync(buffer, _stop.Token);
                var words = Encoding.Latin1.GetString(buffer, 0, count).Split(' ');
                if (words.Length > 1)
                {
                    await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes($"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{words[0]} {words[1]}"), _stop.Token);
                }
            }
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException or IOException)
        {
            // The test is over.
        }
    }
}
