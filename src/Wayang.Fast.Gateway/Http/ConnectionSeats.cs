using System.Net;
using Wayang.Fast.Contracts.Errors;

namespace Wayang.Fast.Gateway.Http;

/// <summary>
/// Counts the connections of one door over HTTP: of all, of each address, and of each caller who has asked something on them. A connection too many is let in far enough to be
/// told why, by the answer to its first request, and closed then, or after a few seconds without one; when twice the bound is there, further ones are closed at once.
/// </summary>
internal sealed class ConnectionSeats(HttpDoorOptions options)
{
    /// <summary>Callers that are counted on one connection; a relay that brings more of them holds one connection all the same.</summary>
    private const int MostCallers = 32;

    private const int RetryMs = 1_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<IPAddress, int> _addresses = [];
    private readonly Dictionary<string, int> _callers = new(StringComparer.Ordinal);
    private int _all;

    public int Count => Volatile.Read(ref _all);

    /// <summary>Null: it is to be closed at once.</summary>
    /// <param name="address">Of TCP; null: the unix socket.</param>
    public Seat? Take(IPAddress? address)
    {
        lock (_gate)
        {
            var ofAddress = address is null ? 0 : _addresses.GetValueOrDefault(address);
            if (_all >= 2 * options.MaxConnections || ofAddress >= 2 * options.MaxConnectionsPerAddress)
            {
                return null;
            }

            _all++;
            if (address is not null)
            {
                _addresses[address] = ofAddress + 1;
            }

            return new Seat(this, address)
            {
                Refusal = _all > options.MaxConnections ? TooMany($"{options.MaxConnections} connections are open at this door", "security.connections")
                    : ofAddress >= options.MaxConnectionsPerAddress ? TooMany($"{options.MaxConnectionsPerAddress} connections of {address} are open at this door", "security.connections_per_address")
                    : null,
            };
        }
    }

    private static OperationError TooMany(string what, string key) =>
        new(ErrorCode.ResourceExhausted, $"{what}; {key} lets in more. Use one connection for many requests.", RetryAfterMs: RetryMs);

    private OperationError? Enter(Seat seat, string caller)
    {
        lock (_gate)
        {
            if (seat.Callers.Contains(caller) || seat.Callers.Count == MostCallers)
            {
                return null;
            }

            var open = _callers.GetValueOrDefault(caller);
            if (open >= options.MaxConnectionsPerIdentity)
            {
                return TooMany($"{options.MaxConnectionsPerIdentity} connections of {caller} are open at this door", "security.connections_per_caller");
            }

            _callers[caller] = open + 1;
            seat.Callers.Add(caller);
            return null;
        }
    }

    private void Leave(Seat seat)
    {
        lock (_gate)
        {
            _all--;
            if (seat.Address is { } address)
            {
                CountDown(_addresses, address);
            }

            foreach (var caller in seat.Callers)
            {
                CountDown(_callers, caller);
            }

            seat.Callers.Clear();
        }
    }

    private static void CountDown<TKey>(Dictionary<TKey, int> counts, TKey key)
        where TKey : notnull
    {
        var left = counts[key] - 1;
        if (left == 0)
        {
            counts.Remove(key);
        }
        else
        {
            counts[key] = left;
        }
    }

    /// <summary>The place of one connection: a feature of it, which its requests find.</summary>
    internal sealed class Seat(ConnectionSeats seats, IPAddress? address) : IDisposable
    {
        public IPAddress? Address { get; } = address;

        /// <summary>Why it is not served.</summary>
        public OperationError? Refusal { get; init; }

        /// <summary>Guarded by the table's lock.</summary>
        public List<string> Callers { get; } = [];

        /// <summary>Counts it for a caller too; the refusal when that has too many.</summary>
        public OperationError? Enter(string caller) => seats.Enter(this, caller);

        public void Dispose() => seats.Leave(this);
    }
}
