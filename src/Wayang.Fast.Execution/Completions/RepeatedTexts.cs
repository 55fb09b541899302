using System.Text;

namespace Wayang.Fast.Execution.Completions;

/// <summary>
/// The last texts that came as UTF-8, so that one that comes again and again (tasks fail for few reasons) is made once: events keep it, and what is kept and new is what collections
/// have to move. A text that another pushed out of its place is made anew. One thread.
/// </summary>
internal sealed class RepeatedTexts
{
    /// <summary>Longer ones are made each time.</summary>
    public const int MostBytes = 512;

    private const int Places = 256;

    private readonly (byte[] Utf8, string Text)?[] _places = new (byte[], string)?[Places];

    public string Get(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length > MostBytes)
        {
            return Encoding.UTF8.GetString(utf8);
        }

        var hash = default(HashCode);
        hash.AddBytes(utf8);
        ref var place = ref _places[(uint)hash.ToHashCode() % Places];
        if (place is not { } known || !utf8.SequenceEqual(known.Utf8))
        {
            place = known = (utf8.ToArray(), Encoding.UTF8.GetString(utf8));
        }

        return known.Text;
    }
}
