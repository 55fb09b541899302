using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Gateway.Audit;

/// <summary>One line of the audit log: who asked for what, from where, and what came of it. Never a payload, never a secret.</summary>
/// <param name="UnixMs">When the outcome was known.</param>
/// <param name="Door">By which door.</param>
/// <param name="From">uid 1000 pid 4711, or 192.0.2.7:40312.</param>
/// <param name="Operation">Its name, or what the log says of itself.</param>
/// <param name="Outcome"><c>ok</c>, <c>abandoned</c> (the caller left before its answer) or the code of the refusal.</param>
public sealed record AuditRecord(long UnixMs, string Door, string From, string Operation, string Outcome)
{
    public const string Done = "ok";

    /// <summary>The caller gave up while it was done: nobody was told whether it was.</summary>
    public const string Abandoned = "abandoned";

    /// <summary>Null: nobody knows who it was.</summary>
    public string? Identity { get; init; }

    public int? Tenant { get; init; }

    /// <summary>On what it was done: ids and names.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Target { get; init; } = [];

    /// <summary>Records that this one stands for, where it tells what was not written.</summary>
    public long Count { get; init; }

    /// <summary>The word for what came of it.</summary>
    public static string OutcomeOf(OperationError? refusal) => refusal is null ? Done : WireNames.Text(refusal.Code);

    /// <summary>Appends the line, with its end.</summary>
    public void WriteTo(ArrayBufferWriter<byte> lines)
    {
        ArgumentNullException.ThrowIfNull(lines);
        using (var json = new Utf8JsonWriter(lines))
        {
            json.WriteStartObject();
            json.WriteString("time", DateTimeOffset.FromUnixTimeMilliseconds(UnixMs).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
            json.WriteString("door", Door);
            json.WriteString("from", From);
            if (Identity is not null)
            {
                json.WriteString("identity", Identity);
            }

            if (Tenant is { } tenant)
            {
                json.WriteNumber("tenant", tenant);
            }

            json.WriteString("operation", Operation);
            if (Target.Count > 0)
            {
                json.WriteStartObject("target");
                foreach (var (key, value) in Target)
                {
                    json.WriteString(key, value);
                }

                json.WriteEndObject();
            }

            json.WriteString("outcome", Outcome);
            if (Count > 0)
            {
                json.WriteNumber("count", Count);
            }

            json.WriteEndObject();
        }

        lines.Write("\n"u8);
    }
}
