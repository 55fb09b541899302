using System.Text;

using Wayang.Fast.Gateway.Audit;

namespace Wayang.Fast.Host.Cli;

/// <summary>Reads the files of an audit log in order, and goes on where it stopped: a line that is not whole yet is left for the next time.</summary>
internal sealed class AuditReader(string directory)
{
    private const int LongestLine = 64 << 10;

    private int _number;
    private long _offset;

    /// <summary>Files that went before they were read.</summary>
    public int Missed { get; private set; }

    /// <summary>What is whole and was not given yet.</summary>
    /// <param name="since">Files that were not written since then are stepped over.</param>
    /// <exception cref="IOException">They cannot be read.</exception>
    public IEnumerable<string> ReadNew(DateTime since)
    {
        // Listed before it is read: where there is a later file already, this one is whole.
        foreach (var (next, path) in AuditFiles.In(directory))
        {
            if (next < _number || (next != _number && File.GetLastWriteTimeUtc(path) < since))
            {
                continue;
            }

            if (next != _number)
            {
                Missed += _number == 0 ? 0 : next - _number - 1;
                (_number, _offset) = (next, 0);
            }

            foreach (var line in ReadFile(path))
            {
                yield return line;
            }
        }
    }

    private IEnumerable<string> ReadFile(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        file.Position = _offset;
        var buffer = new byte[LongestLine];
        var filled = 0;
        while (file.Read(buffer, filled, buffer.Length - filled) is var read and > 0)
        {
            filled += read;
            var start = 0;
            while (Array.IndexOf(buffer, (byte)'\n', start, filled - start) is var end and >= 0)
            {
                _offset += end + 1 - start;
                yield return Encoding.UTF8.GetString(buffer, start, end - start);
                start = end + 1;
            }

            // What fills the buffer without an end is no line of ours.
            _offset += start == 0 && filled == buffer.Length ? filled : 0;
            filled = start == 0 && filled == buffer.Length ? 0 : filled - start;
            Buffer.BlockCopy(buffer, start, buffer, 0, filled);
        }
    }
}
