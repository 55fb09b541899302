using System.Globalization;

using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Configuration;

/// <summary>Reads <c>images:</c>, a list of {name, kind, file, preload?, profile?, measure?}, or {name, kind: command, profile?, rootfs? | oci?, tag?, writable?}.</summary>
internal sealed partial class ImageSection(string file, List<ConfigurationProblem> problems)
{
    public const string Name = "images";

    public const int MaxImages = 64;
    public const int MaxPreload = OperationTable.MaxPreload;
    public const int MaxName = 63;

    private const string C = "c";
    private const string Python = "python";
    private const string Command = "command";

    private static readonly string[] Keys = ["name", "kind", "file", "preload", "profile", "rootfs", "oci", "tag", "writable", "isolation", "measure"];
    private static readonly string[] Kinds = [C, Python, Command];
    private static readonly string[] Measures = ["cpu", "none"];
    private static readonly string[] ShippedProfiles = ["compute", "standard", "network", "trusted"];

    public IReadOnlyList<ConfiguredImage> Read(ConfigurationNode node)
    {
        if (node.SaysNothing)
        {
            return [];
        }

        if (node.Kind != NodeKind.Sequence)
        {
            Tell(node, Name, "must be a list; write each image as '- {name: text, kind: c, file: text.so}'");
            return [];
        }

        if (node.Items.Count > MaxImages)
        {
            Tell(node, Name, string.Create(CultureInfo.InvariantCulture, $"{node.Items.Count} images; at most {MaxImages}"));
            return [];
        }

        var images = new List<ConfiguredImage>();
        for (var i = 0; i < node.Items.Count; i++)
        {
            var label = string.Create(CultureInfo.InvariantCulture, $"{Name}[{i}]");
            if (ReadImage(label, node.Items[i]) is not { } image)
            {
                continue;
            }

            if (images.Find(other => other.Name == image.Name) is { } twice)
            {
                Tell(node.Items[i], label, $"the name '{image.Name}' stands twice; the first is at {twice.Place}");
                continue;
            }

            images.Add(image);
        }

        CheckRoots(node, images);
        return images;
    }

    private ConfiguredImage? ReadImage(string label, ConfigurationNode node)
    {
        if (node.Kind != NodeKind.Mapping)
        {
            Tell(node, label, "must be keys and values: {name: text, kind: c, file: text.so}");
            return null;
        }

        var before = problems.Count;
        var values = new EntryKeys(file, "an image", Keys, problems).Values(label, node);
        var name = Text(label, "name", values, node, required: true);
        var kind = Choice(label, "kind", values, node, Kinds, required: true);
        var profile = Choice(label, "profile", values, node, OperatorProfiles() ?? ShippedProfiles, required: false);
        var needsFile = kind is C or Python;
        var path = Text(label, "file", values, node, needsFile);
        var preload = Preload(label, values);
        if (name is not null && (name.Length > MaxName || !name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-')))
        {
            Tell(values["name"], label + ".name", $"must be 1 to {MaxName} of A-Z a-z 0-9 . _ -, not '{ValueReader.Shortened(name)}'");
        }

        if (kind == Command && path is not null)
        {
            Tell(values["file"], label + ".file", "a command has no file; leave it out");
        }

        var rooted = Root(label, kind, values, node, name);
        if (kind is C or Command && values.TryGetValue("preload", out var useless))
        {
            Tell(useless, label + ".preload", $"is for kind python, not for {kind}");
        }

        var measure = Choice(label, "measure", values, node, Measures, required: false);
        if (kind == Command && measure is not null)
        {
            Tell(values["measure"], label + ".measure", "is for the calls of kinds c and python; commands are always measured");
        }

        var place = values.TryGetValue("file", out var at) || values.TryGetValue("rootfs", out at) || values.TryGetValue("oci", out at) ? at : node;
        return problems.Count > before ? null : new ConfiguredImage(name!, kind!, path is null ? null : Absolute(path), profile)
        {
            Preload = preload,
            Rootfs = rooted.Rootfs,
            Layout = rooted.Layout,
            Tag = rooted.Tag,
            Overlay = rooted.Overlay,
            Isolation = rooted.Isolation,
            MeasuresCpu = measure is null ? kind == Python : measure == "cpu",
            Place = PlaceOf(place),
        };
    }

    /// <summary>Relative to the configuration file, wherever the runtime is started.</summary>
    private string Absolute(string path) => Path.GetFullPath(path, Path.GetDirectoryName(Path.GetFullPath(file)) ?? "/");

    private string? Text(string label, string key, Dictionary<string, ConfigurationNode> values, ConfigurationNode image, bool required)
    {
        if (!values.TryGetValue(key, out var node))
        {
            if (required)
            {
                Tell(image, label, $"has no {key}");
            }

            return null;
        }

        if (node.Kind == NodeKind.Refused)
        {
            return null;
        }

        if (node.Kind != NodeKind.Scalar || node.SaysNothing || node.Text.Length == 0 || node.Text.Contains('\0', StringComparison.Ordinal))
        {
            Tell(node, $"{label}.{key}", "must be a text");
            return null;
        }

        return node.Text;
    }

    private string? Choice(
        string label, string key, Dictionary<string, ConfigurationNode> values, ConfigurationNode image, string[] allowed, bool required)
    {
        var text = Text(label, key, values, image, required);
        if (text is null || allowed.Length == 0 || allowed.Contains(text, StringComparer.Ordinal))
        {
            return text;
        }

        var nearest = NearestName.Of(text, allowed);
        var list = string.Join(", ", allowed);
        problems.Add(new ConfigurationProblem(
            PlaceOf(values[key]), $"{label}.{key}", $"must be one of {list}, not '{ValueReader.Shortened(text)}'{(nearest is null ? string.Empty : $"; did you mean {nearest}?")}")
        { Allowed = list, Nearest = nearest });
        return null;
    }

    /// <summary>
    /// Of an operator's own policy; null without one, and none (each name goes, the node judges it) where we may not read it: the
    /// daemon's own user often may not.
    /// </summary>
    private static string[]? OperatorProfiles()
    {
        if (Environment.GetEnvironmentVariable(Installation.PolicyVariable) is not { Length: > 0 } directory)
        {
            return null;
        }

        try
        {
            return [.. Directory.EnumerateFiles(directory, "*.profile").Select(static f => Path.GetFileNameWithoutExtension(f)).Order(StringComparer.Ordinal)];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private IReadOnlyList<string> Preload(string label, Dictionary<string, ConfigurationNode> values)
    {
        if (!values.TryGetValue("preload", out var node) || node.SaysNothing || node.Kind == NodeKind.Refused)
        {
            return [];
        }

        var modules = node.Kind == NodeKind.Sequence ? node.Items : null;
        if (modules is null || modules.Count > MaxPreload || modules.Exists(static m => m.Kind != NodeKind.Scalar || !IsModule(m.Text)))
        {
            Tell(node, label + ".preload", $"must be a list of at most {MaxPreload} names of modules: [json, os.path]");
            return [];
        }

        return [.. modules.Select(static m => m.Text)];
    }

    private static bool IsModule(string name) =>
        name.Length is > 0 and <= 255 && name.Split('.').All(static part => part.Length > 0 && !char.IsAsciiDigit(part[0]) && part.All(static c => char.IsLetterOrDigit(c) || c == '_'));

    private void Tell(ConfigurationNode node, string key, string reason) => problems.Add(new ConfigurationProblem(PlaceOf(node), key, reason));

    private ConfigurationPlace PlaceOf(ConfigurationNode node) => new(file, node.Line, node.Column);
}
