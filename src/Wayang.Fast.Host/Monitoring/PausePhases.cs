using System.Diagnostics.Tracing;
using System.Globalization;
using Wayang.Fast.Execution.Supervision;

namespace Wayang.Fast.Host.Monitoring;

/// <summary>
/// Tells of each pause how long it took to stop the threads, what was done then, and how long until they were let go: a long first part is a
/// thread that did not get a processor to stop on, a long second one with little promoted is the collector's own thread without one.
/// A listener of runtime events costs a thread and an allocation an event, so it exists only where collections are logged.
/// </summary>
internal sealed class PausePhases(ISupervisorLog log) : EventListener
{
    private const EventKeywords Collections = (EventKeywords)1;
    private const string GoesOn = "goes on";

    // By number: GCReason of the runtime's events, docs "Garbage collection ETW events".
    private static readonly string[] s_reasons = ["the budget of the small was used up", "asked for", "little memory", "asked for", "the budget of the large was used up", "no room for a small one", "no room for a large one", "asked for, not forced"];

    private string _why = GoesOn;
    private DateTime _asked;
    private DateTime _stopped;
    private DateTime _done;

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == "Microsoft-Windows-DotNETRuntime")
        {
            EnableEvents(eventSource, EventLevel.Informational, Collections);
        }
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        switch (eventData.EventName)
        {
            case "GCSuspendEEBegin_V1":
                _asked = eventData.TimeStamp;
                break;
            case "GCStart_V2" when eventData.Payload is { Count: > 2 } of:
                _why = Convert.ToInt32(of[2], CultureInfo.InvariantCulture) is var reason && reason < s_reasons.Length ? s_reasons[reason] : "another reason";
                break;
            case "GCSuspendEEEnd_V1":
                _stopped = eventData.TimeStamp;
                break;
            case "GCRestartEEBegin_V1":
                _done = eventData.TimeStamp;
                break;
            case "GCRestartEEEnd_V1":
                log.Info(FormattableString.Invariant(
                    $"pause: {(_stopped - _asked).TotalMilliseconds:F2} ms to stop the threads, {(_done - _stopped).TotalMilliseconds:F2} ms of work, {(eventData.TimeStamp - _done).TotalMilliseconds:F2} ms to let them go ({_why})"));
                _why = GoesOn;
                break;
            default:
                break;
        }
    }
}
