using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Wayang.Fast.Host.Configuration;

/// <summary>
/// Reads YAML into a tree of plain nodes: no anchors, aliases, tags or further documents, a bounded depth. Built of the parser's
/// events, because the library's own tree ends at the first key that stands twice.
/// </summary>
internal sealed class TreeReader(string file, List<ConfigurationProblem> problems)
{
    /// <summary>The specification's keys lie four deep.</summary>
    public const int MaxDepth = 16;

    private Parser parser = null!;
    private bool tooDeep;

    /// <returns>Null when there is nothing to read: an empty file, or one that is not YAML (told).</returns>
    public ConfigurationNode? Read(string text)
    {
        using var reader = new StringReader(text);
        parser = new Parser(reader);
        try
        {
            ConfigurationNode? root = null;
            while (parser.MoveNext())
            {
                if (parser.Current is DocumentStart start)
                {
                    parser.MoveNext();
                    if (root is not null)
                    {
                        Refuse(start, "a second document begins here; a configuration is one");
                        return root;
                    }

                    root = ReadNode(0);
                }
            }

            return root;
        }
        catch (YamlException error)
        {
            if (!TellTabs(text))
            {
                problems.Add(new ConfigurationProblem(new ConfigurationPlace(file, error.Start.Line, error.Start.Column), "", $"not YAML: {error.Message}"));
            }

            return null;
        }
        catch (Exception error) when (error is InvalidOperationException or ArgumentException or IndexOutOfRangeException or OverflowException or NullReferenceException)
        {
            // The parser's own words for some malformed texts; how far it came is the best place there is.
            var at = parser.Current?.End ?? default;
            problems.Add(new ConfigurationProblem(new ConfigurationPlace(file, Math.Max(1, at.Line), Math.Max(1, at.Column)), "", "not YAML: a flow list or mapping is not closed, or something stands where it cannot"));
            return null;
        }
    }

    private ConfigurationNode ReadNode(int depth)
    {
        var at = parser.Current!;
        if (at is AnchorAlias alias)
        {
            return Refuse(at, $"aliases are not read here: write out what *{alias.Value} stands for");
        }

        if (at is NodeEvent { Anchor.IsEmpty: false } anchored)
        {
            Refuse(at, $"anchors are not read here: leave out &{anchored.Anchor} and write the value where it is used");
        }

        if (at is NodeEvent { Tag: { IsEmpty: false, IsNonSpecific: false } } tagged)
        {
            Refuse(at, $"tags are not read here: leave out {tagged.Tag}");
        }

        return at switch
        {
            MappingStart => ReadMapping(at, depth),
            SequenceStart => ReadSequence(at, depth),
            Scalar scalar => new ConfigurationNode(NodeKind.Scalar, at.Start.Line, at.Start.Column)
            {
                Text = scalar.Value,
                IsPlain = scalar.Style is ScalarStyle.Plain,
            },
            _ => Refuse(at, "something that is no key, value or list"),
        };
    }

    private ConfigurationNode ReadMapping(ParsingEvent at, int depth)
    {
        var node = new ConfigurationNode(NodeKind.Mapping, at.Start.Line, at.Start.Column);
        while (parser.MoveNext() && parser.Current is not MappingEnd)
        {
            var key = ReadNode(DeeperThan(depth));
            parser.MoveNext();
            node.Pairs.Add((key, ReadNode(DeeperThan(depth))));
        }

        return node;
    }

    private ConfigurationNode ReadSequence(ParsingEvent at, int depth)
    {
        var node = new ConfigurationNode(NodeKind.Sequence, at.Start.Line, at.Start.Column);
        while (parser.MoveNext() && parser.Current is not SequenceEnd)
        {
            node.Items.Add(ReadNode(DeeperThan(depth)));
        }

        return node;
    }

    private int DeeperThan(int depth)
    {
        if (depth + 1 < MaxDepth)
        {
            return depth + 1;
        }

        tooDeep = true;
        throw new SemanticErrorException(parser.Current!.Start, parser.Current.End, $"nested deeper than {MaxDepth} levels");
    }

    private ConfigurationNode Refuse(ParsingEvent at, string reason)
    {
        problems.Add(new ConfigurationProblem(new ConfigurationPlace(file, at.Start.Line, at.Start.Column), "", reason));
        return new ConfigurationNode(NodeKind.Refused, at.Start.Line, at.Start.Column);
    }

    /// <summary>The parser's words about a tab help nobody who cannot see it.</summary>
    private bool TellTabs(string text)
    {
        var before = problems.Count;
        var line = 0;
        foreach (var content in text.Split('\n'))
        {
            line++;
            var column = content.TakeWhile(static c => c == ' ').Count();
            if (!tooDeep && column < content.Length && content[column] == '\t' && content.Trim().Length > 0)
            {
                problems.Add(new ConfigurationProblem(
                    new ConfigurationPlace(file, line, column + 1), "", "a tab in the indentation; YAML takes spaces only"));
            }
        }

        return problems.Count > before;
    }
}
