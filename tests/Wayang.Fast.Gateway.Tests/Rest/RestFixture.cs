using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Http;
using Wayang.Fast.Gateway.Operations;
using Wayang.Fast.Gateway.Rest;

namespace Wayang.Fast.Gateway.Tests.Rest;

/// <summary>The door of REST over the in-memory service: on a unix socket, and on TCP for those who show <see cref="Secret"/>.</summary>
internal sealed class RestFixture : IAsyncDisposable
{
    public const string Secret = "wayang_of-a-test";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("wayang-rest-");
    private readonly List<HttpClient> _clients = [];
    private readonly OperationDesk _desk;
    private RestServer? _server;

    private RestFixture(bool events, AuditLog? audit) => _desk = new OperationDesk(new OperationPorts(Tasks, Monitor: null, Life: null) { Events = events ? Events.Stream : null }, defect =>
    {
        lock (Defects)
        {
            Defects.Add(defect);
        }
    }, audit: audit);

    public InMemoryTaskService Tasks { get; } = new();

    public EventDesk Events { get; } = new(64, null, TimeProvider.System);

    public List<Exception> Defects { get; } = [];

    public int Port => _server!.Port;

    public static async Task<RestFixture> StartAsync(TokenStore? tokens = null, long mostBytes = 256L << 20, Func<HttpDoorOptions, HttpDoorOptions>? configure = null, bool events = true, AuditLog? audit = null)
    {
        var fixture = new RestFixture(events, audit);
        var options = new HttpDoorOptions
        {
            MaxBufferedBytesPerIdentity = mostBytes,
            EndPoint = new IPEndPoint(IPAddress.Loopback, 0), SocketPath = fixture.SocketPath, Authorize = static _ => 7,
            Tokens = tokens ?? new TokenStore([ServerFixture.Token(Secret)]),
        };
        fixture._server = await RestServer.StartAsync(
            configure?.Invoke(options) ?? options,
            fixture._desk,
            static () => new Dictionary<string, string>(StringComparer.Ordinal) { ["http_port"] = "0" });
        return fixture;
    }

    /// <summary>A client of TCP that shows the token, or of the unix socket where none is given.</summary>
    public HttpClient Connect(string? token)
    {
        var client = token is null ? new HttpClient(OverSocket()) : new HttpClient();
        client.BaseAddress = new Uri(token is null ? "http://localhost" : $"http://127.0.0.1:{Port}");
        client.DefaultRequestHeaders.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        _clients.Add(client);
        return client;
    }

    public static async Task<(int Status, JsonElement Body)> AskAsync(HttpClient client, HttpMethod method, string path, string? json = null, string type = "application/json")
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = json is null ? null : new StringContent(json, Encoding.UTF8, new MediaTypeHeaderValue(type));
        using var answer = await client.SendAsync(request);
        return ((int)answer.StatusCode, JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement);
    }

    public static string Call(string function, string data = "") =>
        JsonSerializer.Serialize(new { kind = "call", image = "demo", function, data = Convert.ToBase64String(Encoding.UTF8.GetBytes(data)) });

    public async ValueTask DisposeAsync()
    {
        _clients.ForEach(static client => client.Dispose());
        _desk.Stop();
        await _server!.DisposeAsync();
        _desk.Dispose();
        Tasks.Dispose();
        Events.Dispose();
        _directory.Delete(recursive: true);
    }

    private string SocketPath => Path.Combine(_directory.FullName, "r.sock");

    private SocketsHttpHandler OverSocket() => new()
    {
        ConnectCallback = async (_, cancellation) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath), cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        },
    };
}
