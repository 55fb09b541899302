namespace Wayang.Fast.Architecture.Tests;

internal readonly record struct NumberedLine(int Number, string Text);

internal readonly record struct FunctionSpan(string Name, int FirstLine, int Lines);

/// <summary>Small readers of source text: exact enough for code in this project's layout, which is what they check.</summary>
internal static class Text
{
    /// <summary>Lines that are not comments. Strings are not parsed: rules look for words that stand in no string.</summary>
    public static IEnumerable<NumberedLine> CodeLines(string text)
    {
        var inside = false;
        foreach (var (line, index) in text.Split('\n').Select((line, index) => (line.Trim(), index)))
        {
            if (inside)
            {
                inside = !line.Contains("*/", StringComparison.Ordinal);
            }
            else if (line.StartsWith("/*", StringComparison.Ordinal))
            {
                inside = !line.Contains("*/", StringComparison.Ordinal);
            }
            else if (!line.StartsWith("//", StringComparison.Ordinal) && line.Length > 0)
            {
                var comment = line.IndexOf(" //", StringComparison.Ordinal);
                yield return new NumberedLine(index + 1, comment < 0 ? line : line[..comment]);
            }
        }
    }

    /// <summary>True when <paramref name="word"/> occurs and does not merely end a longer name.</summary>
    public static bool HasWord(string line, string word)
    {
        for (var at = line.IndexOf(word, StringComparison.Ordinal); at >= 0; at = line.IndexOf(word, at + 1, StringComparison.Ordinal))
        {
            if (at == 0 || !(char.IsLetterOrDigit(line[at - 1]) || line[at - 1] is '_' or '.'))
            {
                return true;
            }
        }

        return false;
    }

    public static string WithoutComments(string text)
    {
        var result = new System.Text.StringBuilder(text.Length);
        for (var at = 0; at < text.Length; at++)
        {
            if (text.AsSpan(at).StartsWith("/*", StringComparison.Ordinal))
            {
                var end = text.IndexOf("*/", at + 2, StringComparison.Ordinal);
                at = end < 0 ? text.Length : end + 1;
            }
            else if (text.AsSpan(at).StartsWith("//", StringComparison.Ordinal))
            {
                var end = text.IndexOf('\n', at);
                at = end < 0 ? text.Length : end - 1;
            }
            else
            {
                result.Append(text[at]);
            }
        }

        return result.ToString();
    }

    /// <summary>C functions: a body opens at the end of a line that starts in column 0 (or after a wrapped signature) and
    /// closes with a brace in column 0.</summary>
    public static IEnumerable<FunctionSpan> CFunctions(string text)
    {
        var lines = text.Split('\n');
        var start = -1;
        for (var i = 0; i < lines.Length; i++)
        {
            var line = lines[i];
            if (start >= 0 && line.StartsWith('}'))
            {
                if (IsFunction(lines[start]))
                {
                    yield return new FunctionSpan(lines[start].Trim(), start + 1, i - start + 1);
                }

                start = -1;
            }
            else if (line.Length > 0 && (char.IsLetter(line[0]) || line[0] == '_') && (start < 0 || Closes(lines, start, i)))
            {
                start = line.TrimEnd().EndsWith(';') ? -1 : i;
            }
        }
    }

    /// <summary>Functions of a shell script: `name() {` to a brace in column 0.</summary>
    public static IEnumerable<FunctionSpan> ShellFunctions(string text)
    {
        var lines = text.Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            if (lines[i].Contains("() {", StringComparison.Ordinal) && !char.IsWhiteSpace(lines[i][0]) && !lines[i].TrimEnd().EndsWith('}'))
            {
                var end = Array.FindIndex(lines, i, line => line.StartsWith('}'));
                yield return new FunctionSpan(lines[i].Trim(), i + 1, (end < 0 ? lines.Length : end + 1) - i);
            }
        }
    }

    /// <summary>Python functions: to the last line that is indented deeper than their `def`.</summary>
    public static IEnumerable<FunctionSpan> PythonFunctions(string text)
    {
        var lines = text.Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            var trimmed = lines[i].TrimStart();
            if (!trimmed.StartsWith("def ", StringComparison.Ordinal) && !trimmed.StartsWith("async def ", StringComparison.Ordinal))
            {
                continue;
            }

            var indent = lines[i].Length - trimmed.Length;
            var last = i;
            for (var j = i + 1; j < lines.Length && (lines[j].Trim().Length == 0 || lines[j].Length - lines[j].TrimStart().Length > indent); j++)
            {
                last = lines[j].Trim().Length == 0 ? last : j;
            }

            yield return new FunctionSpan(trimmed.Trim(), i + 1, last - i + 1);
        }
    }

    private static bool IsFunction(string signature) =>
        signature.Contains('(', StringComparison.Ordinal)
        && !signature.StartsWith("typedef", StringComparison.Ordinal)
        && !signature.StartsWith("extern \"C\"", StringComparison.Ordinal)
        && !signature.Contains('=', StringComparison.Ordinal);

    /// <summary>The earlier candidate ended without a body (a statement over several lines): a new one starts.</summary>
    private static bool Closes(string[] lines, int start, int end)
    {
        var text = string.Join('\n', lines[start..end]).TrimEnd();
        return text.EndsWith(';') || !text.Contains('{', StringComparison.Ordinal);
    }
}
