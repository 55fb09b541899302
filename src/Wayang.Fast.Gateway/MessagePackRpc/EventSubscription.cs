using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>
/// Sends a connection's notifications <c>event(map)</c>. Pages are read when the connection has sent most of what it had: a peer that reads slowly holds what its
/// output may hold, and comes to know by a gap what it was too late for. A call in flight as long as it lasts.
/// </summary>
internal sealed class EventSubscription(RpcConnection connection, RpcServer server, EventFollower follower) : IDisposable
{
    private readonly CancellationTokenSource _over = CancellationTokenSource.CreateLinkedTokenSource(server.Stopping);
    private TaskCompletionSource _room = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _ended;

    /// <summary>The number behind which it tells.</summary>
    public long Since => follower.Since;

    public void Start() => _ = FollowAsync();

    /// <summary>The connection has sent something.</summary>
    public void OnRoom() => Volatile.Read(ref _room).TrySetResult();

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
        {
            _over.Cancel();
            connection.EndCall();
        }
    }

    private async Task FollowAsync()
    {
        // Not on the socket's thread, which may have brought the subscription.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            while (!_over.IsCancellationRequested)
            {
                var (events, refusal) = await follower.NextAsync(_over.Token).ConfigureAwait(false);
                if (refusal is not null || !await AwaitRoomAsync().ConfigureAwait(false))
                {
                    connection.Close(); // it comes back with what it knows, and is told why then
                    return;
                }

                if (events.Count > 0)
                {
                    connection.Notify(events);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The connection or the node ends, or another subscription takes its place.
        }
#pragma warning disable CA1031 // A defect here ends this connection, not the daemon.
        catch (Exception defect)
#pragma warning restore CA1031
        {
            server.Options.OnDefect?.Invoke(defect);
            connection.Close();
        }
        finally
        {
            connection.EndWait(this);
            Dispose();
        }
    }

    /// <returns>False: the connection is on its way out.</returns>
    private async Task<bool> AwaitRoomAsync()
    {
        while (connection.IsFull)
        {
            Volatile.Write(ref _room, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));

            // SYNC POINT: pairs with OnRoom, which is told after output went: either it sees this signal, or this look the room.
            Interlocked.MemoryBarrier();
            if (connection.IsFull)
            {
                await _room.Task.WaitAsync(_over.Token).ConfigureAwait(false);
            }
        }

        return connection.TakesEvents;
    }
}
