using Wayang.Fast.Contracts.MessagePack;

namespace Wayang.Fast.Client;

public sealed record WayangClientOptions
{
    /// <summary>Null: found by <see cref="SocketPaths.Find"/>.</summary>
    public string? SocketPath { get; init; }

    /// <summary>Goes before <see cref="SocketPath"/>; over TCP a token is needed.</summary>
    public WayangEndpoint? Endpoint { get; init; }

    /// <summary>What is believed and shown where <see cref="Endpoint"/> is encrypted; null: the authorities of this host, and nothing.</summary>
    public ClientCertificates? Certificates { get; init; }

    /// <summary>The name that the node's certificate must have; null: the host of <see cref="Endpoint"/>.</summary>
    public string? CertificateName { get; init; }

    /// <summary>The SHA-256 of the node's certificate, in lower-case hexadecimal digits: no other one is believed. Null: any with the name.</summary>
    public string? CertificateFingerprint { get; init; }

    /// <summary>Opens the session over TCP; a unix socket needs none, and neither does who shows a certificate that the node knows.</summary>
    public string? Token { get; init; }

    /// <summary>How long connecting over TCP and opening the session may take, each time it is tried.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the first connection is tried; zero: once.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.Zero;

    /// <summary>How long a call tries to reach a node whose connection was lost.</summary>
    public TimeSpan ReconnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The pause after the first failed attempt; it doubles up to <see cref="MaxBackoff"/>.</summary>
    public TimeSpan MinBackoff { get; init; } = TimeSpan.FromMilliseconds(20);

    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a call may take until its answer is there; then it ends with <see cref="Contracts.Errors.ErrorCode.WaitTimeout"/>, and a task goes on. Null: as long as it takes.</summary>
    public TimeSpan? CallTimeout { get; init; }

    /// <summary>Calls in flight; more wait their turn.</summary>
    public int MaxPending { get; init; } = 4096;

    /// <summary>What an answer may hold.</summary>
    public FrameLimits Frame { get; init; } = new() { MaxBytes = (256 << 20) };

    public TimeProvider Time { get; init; } = TimeProvider.System;
}
