using Microsoft.Win32.SafeHandles;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>
/// A checkpoint for who reads it while it is being written, and need not wait for its end: what was written stays as it is. The name of the file changes meanwhile, so that it is opened once. Its writer is one
/// thread, its reader one caller. Dispose by the reader; a writer that comes later finds nobody.
/// <para>
/// A writer is held to its reader's pace, once that one reads: what is written is of a call that runs on meanwhile, and stops when little is left to write. Little of it must be left to send then, too.
/// </para>
/// </summary>
internal sealed class GrowingFile : IDepartingFile
{
    /// <summary>Bytes that the writer may be ahead of its reader: the next piece, while one is on its way.</summary>
    public const int Ahead = HandoverFields.GrowingPiece;

    /// <summary>For so long it waits for a reader that stands still; never again then.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    private readonly object _lock = new();
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private SafeFileHandle? _handle;
    private byte[] _key = [];
    private long _length;
    private long _taken;
    private bool _isWhole;
    private bool _isPaced;
    private bool _isLate;
    private bool _closed;
    private Action? _closing;

    public ReadOnlyMemory<byte> Key => _key;

    public bool IsWhole
    {
        get
        {
            lock (_lock)
            {
                return _isWhole;
            }
        }
    }

    /// <summary>Set before it is shown.</summary>
    public Task<(CallFile? File, OperationError? Refusal)> Whole { get; set; } = null!;

    /// <summary>The writer has begun, and will tell how far it is.</summary>
    /// <param name="path">Of the file.</param>
    /// <param name="key">Of this one file; secret.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void Begin(string path, byte[] key)
    {
        var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        lock (_lock)
        {
            if (_closed)
            {
                handle.Dispose();
                return;
            }

            _handle?.Dispose();
            (_handle, _key, _length, _taken, _isWhole, _isPaced) = (handle, key, 0, 0, false, false);
        }
    }

    /// <summary>So many bytes of it are written.</summary>
    public void Grow(long length, bool isWhole = false)
    {
        lock (_lock)
        {
            (_length, _isWhole) = (length, isWhole);
            var news = _news;
            _news = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            news.TrySetResult();
        }
    }

    /// <summary>Called once when the reader has disposed it; at once where it has. Its writer.</summary>
    public void WhenClosed(Action closing)
    {
        lock (_lock)
        {
            if (!_closed)
            {
                _closing += closing;
                return;
            }
        }

        closing();
    }

    /// <summary>Waits while the writer is too far ahead of a reader that reads. The writer.</summary>
    public void Pace()
    {
        lock (_lock)
        {
            while (_isPaced && !_closed && !_isLate && _length - _taken > Ahead)
            {
                var taken = _taken;
                _isLate = !Monitor.Wait(_lock, s_patience) && taken == _taken;
            }
        }
    }

    public async Task LongerThan(long length)
    {
        while (true)
        {
            Task news;
            lock (_lock)
            {
                if (_length > length || _isWhole || _closed)
                {
                    return;
                }

                news = _news.Task;
            }

            await news.ConfigureAwait(false);
        }
    }

    public int Read(long offset, Span<byte> buffer)
    {
        lock (_lock)
        {
            _isPaced = true;
            var there = Math.Min(_length - offset, buffer.Length);
            var count = there <= 0 || _handle is null ? 0 : RandomAccess.Read(_handle, buffer[..(int)there], offset);
            _taken = offset + count;
            Monitor.Pulse(_lock);
            return count;
        }
    }

    public void Dispose()
    {
        Action? closing;
        lock (_lock)
        {
            (_closed, closing, _closing) = (true, _closing, null);
            _handle?.Dispose();
            _handle = null;
            _news.TrySetResult();
            Monitor.Pulse(_lock);
        }

        closing?.Invoke();
    }
}
