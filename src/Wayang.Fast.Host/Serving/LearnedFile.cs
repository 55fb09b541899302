namespace Wayang.Fast.Host.Serving;

/// <summary>
/// Keeps something that the node learned over restarts: read at the start, written once a minute and at the end, as a whole and
/// atomically (a new file that takes the old one's name). A file that cannot be used is told and left; learning begins anew.
/// </summary>
internal sealed class LearnedFile : IAsyncDisposable
{
    private const long LongestFile = 64 << 20;
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private readonly Func<byte[]> _serialize;
    private readonly Restorer _restore;
    private readonly StandardErrorLog _log;
    private readonly string _path;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _writing;
    private bool _told;

    private LearnedFile(string path, Func<byte[]> serialize, Restorer restore, StandardErrorLog log)
    {
        _path = path;
        _serialize = serialize;
        _restore = restore;
        _log = log;
        Read();
        _writing = WriteOnAsync();
    }

    /// <returns>Null, or what is wrong with the bytes: then nothing was taken.</returns>
    public delegate string? Restorer(ReadOnlySpan<byte> bytes);

    /// <summary>Null where no directory is configured: nothing is kept then.</summary>
    public static LearnedFile? Open(string directory, string name, Func<byte[]> serialize, Restorer restore, StandardErrorLog log) =>
        directory.Length == 0 ? null : new LearnedFile(Path.Combine(directory, name), serialize, restore, log);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _writing;
        Write();
        _stop.Dispose();
    }

    private void Read()
    {
        try
        {
            var file = new FileInfo(_path);
            if (!file.Exists)
            {
                return;
            }

            var problem = file.Length > LongestFile ? "it is too large" : _restore(File.ReadAllBytes(_path));
            if (problem is not null)
            {
                _log.Warn($"{_path} is not used: {problem}; learning begins anew");
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Tell(failure);
        }
    }

    private async Task WriteOnAsync()
    {
        using var timer = new PeriodicTimer(Interval);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                Write();
            }
        }
        catch (OperationCanceledException)
        {
            // The end: written once more by who disposes.
        }
    }

    private void Write()
    {
        var fresh = _path + ".new";
        try
        {
            using (var file = new FileStream(fresh, FileMode.Create, FileAccess.Write, FileShare.None))
            {
                file.Write(_serialize());
                file.Flush(flushToDisk: true);
            }

            File.Move(fresh, _path, overwrite: true);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Tell(failure);
        }
    }

    private void Tell(Exception failure)
    {
        if (!_told)
        {
            _told = true;
            _log.Warn($"what is learned is not kept in {_path} over a restart: {failure.Message} (state.directory must belong to the daemon's user, uid {Configuration.RuntimeDirectories.EffectiveUid})");
        }
    }
}
