using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>Tries by outcome, since the start. Any thread.</summary>
internal sealed class WebhookCounters
{
    private static readonly AttemptOutcome[] s_outcomes = Enum.GetValues<AttemptOutcome>();
    private readonly long[] _tries = new long[s_outcomes.Length];

    public void Count(AttemptOutcome outcome) => Interlocked.Increment(ref _tries[(int)outcome]);

    public void Write(Exposition exposition)
    {
        exposition.Counter("wayang_webhook_deliveries_total", "Tries to deliver an event to a webhook, by what became of them.");
        foreach (var outcome in s_outcomes)
        {
            exposition.Sample(Interlocked.Read(ref _tries[(int)outcome]), "outcome", WireNames.Text(outcome));
        }
    }
}
