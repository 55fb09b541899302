namespace Wayang.Fast.Contracts.Operations;

/// <summary>What a webhook is to be; null: as it is, or as is usual.</summary>
public sealed record WebhookSpec
{
    /// <summary>Where events are sent: https://HOST/PATH.</summary>
    public string? Address { get; init; }

    /// <summary>What types begin with.</summary>
    public string? Type { get; init; }

    /// <summary>info, warning or error at least.</summary>
    public string? Severity { get; init; }

    /// <summary>Only events of this tenant; for the default tenant.</summary>
    public int? Tenant { get; init; }

    /// <summary>whsec_ and base64; null: one is made. Counts only for one that is made.</summary>
    public string? Secret { get; init; }

    /// <summary>The first events follow this number. Counts only for one that is made.</summary>
    public long? Since { get; init; }

    /// <summary>Events are sent. Counts only for one that is there.</summary>
    public bool? Enabled { get; init; }
}

/// <summary>A secret, which is shown once.</summary>
/// <param name="FormerUntil">Until then the secret before it signs too.</param>
public sealed record WebhookSecretInfo(string Webhook, string Secret, DateTimeOffset? FormerUntil);

/// <summary>A webhook, and how it gets on.</summary>
/// <param name="Webhook">Its id.</param>
/// <param name="Address">Where events are sent.</param>
/// <param name="Type">What types begin with; empty: any.</param>
/// <param name="Owner">The tenant whose it is.</param>
/// <param name="Reason">Why it is not enabled; empty: it is.</param>
/// <param name="Waiting">Messages that are still to be sent.</param>
/// <param name="Dead">Messages that were given up.</param>
/// <param name="Problem">What keeps it from going on; empty: nothing.</param>
public sealed record WebhookInfo(
    string Webhook, string Address, string Type, string Severity, int? Tenant, int Owner, DateTimeOffset Created, bool Enabled, string Reason, long Cursor, long Waiting, long Dead,
    long Bytes, string Problem);

/// <summary>One try to deliver an event.</summary>
/// <param name="Message">The header webhook-id.</param>
/// <param name="Outcome">delivered, failed, dead or gone.</param>
/// <param name="Status">Of the answer; 0: there was none.</param>
/// <param name="Detail">What went wrong; empty: nothing.</param>
public sealed record WebhookDeliveryInfo(
    string Message, long Event, string Type, DateTimeOffset At, int Attempt, string Outcome, int Status, long DurationMicroseconds, string Detail);

/// <param name="Deliveries">The newest first.</param>
/// <param name="Next">The cursor of the next page; null: that was all.</param>
public sealed record WebhookDeliveryPage(IReadOnlyList<WebhookDeliveryInfo> Deliveries, string? Next);
