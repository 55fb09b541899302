using System.Text.Json;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Gateway.Audit;

namespace Wayang.Fast.Gateway.Tests.Audit;

/// <summary>A directory with an audit log in it, and what that tells.</summary>
internal sealed class AuditDirectory : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("wayang-audit-");

    public string Path => _directory.FullName;

    /// <summary>Types of events and the reason or number with each, in order.</summary>
    public List<(string Type, string Data)> Told { get; } = [];

    public AuditOptions Options => new(Path) { RefusalsPerSecond = 100_000, RetryAfter = TimeSpan.FromMilliseconds(20) };

    public AuditLog Open(AuditOptions? options = null) => new(options ?? Options, TimeProvider.System, Tell);

    /// <summary>Every line of every file; fails on one that is no record.</summary>
    public IReadOnlyList<JsonElement> Records() =>
        [.. AuditFiles.In(Path).SelectMany(static f => File.ReadLines(f.Path)).Select(static line => JsonDocument.Parse(line).RootElement)];

    /// <summary>The whole of the files, to look for what must not stand there.</summary>
    public string Text() => string.Concat(AuditFiles.In(Path).Select(static f => File.ReadAllText(f.Path)));

    public int Count(string type)
    {
        lock (Told)
        {
            return Told.Count(told => told.Type == type);
        }
    }

    public void Dispose() => _directory.Delete(recursive: true);

    private void Tell(string type, EventSeverity severity, byte[] data)
    {
        var reader = new MessagePackReader(data);
        var text = reader.TryReadMapHeader(out var pairs) && pairs == 1 && reader.TryReadStringOrBinary(out _)
            ? reader.TryReadInt64(out var number) ? number.ToString(System.Globalization.CultureInfo.InvariantCulture)
            : reader.TryReadStringOrBinary(out var words) ? System.Text.Encoding.UTF8.GetString(words) : "" : "";
        lock (Told)
        {
            Told.Add((type, text));
        }
    }
}
