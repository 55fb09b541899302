using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>How one try went.</summary>
/// <param name="Status">Of the answer; 0: there was none.</param>
/// <param name="RetryAfter">What the receiver asked for.</param>
/// <param name="Detail">What went wrong; empty: nothing.</param>
internal sealed record SendResult(int Status, TimeSpan? RetryAfter, string Detail)
{
    public bool IsDelivered => Status is >= 200 and < 300;

    public bool IsGone => Status == (int)HttpStatusCode.Gone;
}

/// <summary>Sends messages of one webhook: nothing is followed, kept or unpacked, and an answer is read up to a bound. Thread-safe.</summary>
internal sealed class WebhookSender : IDisposable
{
    private const int MostAnswerBytes = 16 << 10;
    private const int MostHeaderKilobytes = 16;
    private const int MostDetailCharacters = 200;

    private readonly WebhookOptions _options;
    private readonly TimeProvider _time;
    private readonly HttpMessageInvoker _invoker;

    public WebhookSender(WebhookOptions options, Func<string, CancellationToken, Task<IPAddress[]>> resolve, TimeProvider time)
    {
        (_options, _time) = (options, time);
        _invoker = new HttpMessageInvoker(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            Credentials = null,
            ActivityHeadersPropagator = null,
            MaxConnectionsPerServer = options.Parallel,
            MaxResponseHeadersLength = MostHeaderKilobytes,
            MaxResponseDrainSize = 0, // what is longer than we read closes its connection
            PooledConnectionLifetime = TimeSpan.FromMinutes(1), // then the name is asked for again
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(20),
            ConnectCallback = new GuardedConnector(options.AllowPrivate, resolve).ConnectAsync,
        });
    }

    /// <summary>The same at each try.</summary>
    public static string IdOf(string webhook, long sequence) => string.Create(CultureInfo.InvariantCulture, $"msg_{webhook}_{sequence}");

    /// <exception cref="OperationCanceledException">By <paramref name="cancellation"/>; whether it arrived is not known.</exception>
    public async Task<SendResult> SendAsync(StoredWebhook webhook, WebhookMessage message, CancellationToken cancellation)
    {
        using var tooLong = new CancellationTokenSource(_options.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, tooLong.Token);
        try
        {
            using var request = Describe(webhook, message);
            using var answer = await _invoker.SendAsync(request, either.Token).ConfigureAwait(false);
            var status = (int)answer.StatusCode;
            var said = await ReadAsync(answer, either.Token, cancellation).ConfigureAwait(false);
            return new SendResult(status, RetryAfterOf(answer.Headers.RetryAfter), status is >= 200 and < 300 ? string.Empty : Tell(status, said));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new SendResult(0, null, string.Create(CultureInfo.InvariantCulture, $"no answer within {_options.Timeout.TotalSeconds:0.###} s"));
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException or UriFormatException)
        {
            return new SendResult(0, null, Cut(failure.InnerException is { } inner && failure is HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError }
                ? $"{failure.Message}: {inner.Message}" : failure.Message));
        }
    }

    public void Dispose() => _invoker.Dispose();

    private HttpRequestMessage Describe(StoredWebhook webhook, WebhookMessage message)
    {
        var now = _time.GetUtcNow();
        var id = IdOf(webhook.Id, message.Sequence);
        var former = webhook.FormerUntilUnixMs > now.ToUnixTimeMilliseconds() ? webhook.FormerSecret : default;
        var seconds = now.ToUnixTimeSeconds();
        var request = new HttpRequestMessage(HttpMethod.Post, webhook.Url) { Content = new ReadOnlyMemoryContent(message.Body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/cloudevents+json", "utf-8");
        request.Headers.Add("webhook-id", id);
        request.Headers.Add("webhook-timestamp", seconds.ToString(CultureInfo.InvariantCulture));
        request.Headers.Add("webhook-signature", WebhookSecret.Sign(id, seconds, message.Body.Span, webhook.Secret.Span, former.Span));
        request.Headers.UserAgent.Add(new ProductInfoHeaderValue("Wayang-Fast", null));
        return request;
    }

    /// <summary>The beginning of what was answered. An answer that does not end is an answer nevertheless: its status came.</summary>
    private static async Task<string> ReadAsync(HttpResponseMessage answer, CancellationToken either, CancellationToken cancellation)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(MostAnswerBytes);
        try
        {
            var stream = await answer.Content.ReadAsStreamAsync(either).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
            {
                var read = await stream.ReadAtLeastAsync(buffer.AsMemory(0, MostAnswerBytes), MostAnswerBytes, throwOnEndOfStream: false, either).ConfigureAwait(false);
                return Encoding.UTF8.GetString(buffer, 0, Math.Min(read, MostDetailCharacters));
            }
        }
        catch (Exception broken) when (broken is IOException or HttpRequestException || (broken is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return string.Empty;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private TimeSpan? RetryAfterOf(RetryConditionHeaderValue? header) => header?.Delta ?? (header?.Date - _time.GetUtcNow());

    private static string Tell(int status, string said) => status is >= 300 and < 400
        ? string.Create(CultureInfo.InvariantCulture, $"answered {status}: redirects are not followed, give the address itself")
        : Cut(string.Create(CultureInfo.InvariantCulture, $"answered {status}{(said.Length == 0 ? "" : ": " + said)}"));

    private static string Cut(string text)
    {
        var line = new string([.. text.Select(static c => char.IsControl(c) ? ' ' : c)]).Trim();
        return line.Length <= MostDetailCharacters ? line : line[..MostDetailCharacters];
    }
}
