using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>The names of enum members on the wire: their snake_case. Made once; lookups allocate nothing.</summary>
public static class WireNames
{
    public static string Text(TaskState state) => Names<TaskState>.Text[(int)state];

    public static string Text(TaskKind kind) => Names<TaskKind>.Text[(int)kind];

    public static string Text(TaskClass taskClass) => Names<TaskClass>.Text[(int)taskClass];

    public static string Text(CauseType cause) => Names<CauseType>.Text[(int)cause];

    public static string Text(WorkerReuse reuse) => Names<WorkerReuse>.Text[(int)reuse];

    public static string Text(ErrorCode code) => Names<ErrorCode>.Text[(int)code];

    /// <summary>Of any enum whose values are dense from 0.</summary>
    public static string Text<T>(T value)
        where T : unmanaged, Enum => Names<T>.Text[Convert.ToInt32(value, System.Globalization.CultureInfo.InvariantCulture)];

    public static ReadOnlySpan<byte> Utf8(TaskState state) => Names<TaskState>.Utf8[(int)state];

    public static ReadOnlySpan<byte> Utf8(TaskKind kind) => Names<TaskKind>.Utf8[(int)kind];

    public static ReadOnlySpan<byte> Utf8(CauseType cause) => Names<CauseType>.Utf8[(int)cause];

    public static ReadOnlySpan<byte> Utf8(ErrorCode code) => Names<ErrorCode>.Utf8[(int)code];

    /// <summary>False for a name that this version does not know; the value is then the type's zero.</summary>
    public static bool TryParse<T>(ReadOnlySpan<byte> utf8, out T value)
        where T : unmanaged, Enum
    {
        var names = Names<T>.Utf8;
        for (var i = 0; i < names.Length; i++)
        {
            if (utf8.SequenceEqual(names[i]))
            {
                value = Names<T>.Values[i];
                return true;
            }
        }

        value = default;
        return false;
    }

    public static bool TryParse<T>(string text, out T value)
        where T : unmanaged, Enum => TryParse(Encoding.UTF8.GetBytes(text), out value);

    /// <summary>All names of an enum in the order of its values.</summary>
    public static IReadOnlyList<string> All<T>()
        where T : unmanaged, Enum => Names<T>.Text;

    private static string SnakeCase(string name)
    {
        var text = new StringBuilder(name.Length + 4);
        for (var i = 0; i < name.Length; i++)
        {
            if (char.IsAsciiLetterUpper(name[i]) && i > 0)
            {
                text.Append('_');
            }

            text.Append(char.ToLowerInvariant(name[i]));
        }

        return text.ToString();
    }

    /// <summary>The enums here are dense from 0, so a value is an index (a test holds them to it).</summary>
    private static class Names<T>
        where T : unmanaged, Enum
    {
        public static readonly T[] Values = Enum.GetValues<T>();
        public static readonly string[] Text = Array.ConvertAll(Enum.GetNames<T>(), SnakeCase);
        public static readonly byte[][] Utf8 = Array.ConvertAll(Text, Encoding.UTF8.GetBytes);
    }
}
