namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>When a message is tried again.</summary>
internal static class RetrySchedule
{
    private const int Growth = 4;
    private const double Jitter = 0.2;

    /// <summary>A receiver may ask to be left alone for so long at most.</summary>
    private static readonly TimeSpan s_longestAsked = TimeSpan.FromHours(24);

    /// <summary>From a try that failed to the next one.</summary>
    /// <param name="options">First and longest wait.</param>
    /// <param name="attempt">The one that failed: 1 is the first.</param>
    /// <param name="asked">What the receiver asked for.</param>
    /// <param name="chance">From 0 to 1: spreads those that failed together by a fifth to each side.</param>
    public static TimeSpan After(WebhookOptions options, int attempt, TimeSpan? asked, double chance)
    {
        var grown = Math.Min(options.FirstRetry.TotalSeconds * Math.Pow(Growth, attempt - 1), options.LongestRetry.TotalSeconds);
        var wait = TimeSpan.FromSeconds(grown * (1 + (Jitter * ((2 * chance) - 1))));
        var wanted = asked is { } time && time > s_longestAsked ? s_longestAsked : asked ?? TimeSpan.Zero;
        return wanted > wait ? wanted : wait;
    }
}
