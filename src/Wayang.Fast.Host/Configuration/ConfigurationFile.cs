using System.Globalization;

using Wayang.Fast.Contracts.Operations;

using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Wayang.Fast.Host.Configuration;

/// <summary>Reads the YAML file of a node. Small on purpose: one mapping, sections one level deep, no anchors needed.</summary>
public static class ConfigurationFile
{
    /// <summary>A configuration is a page of text; more is a wrong file.</summary>
    // It travels to the daemon in one variable of the environment, which the kernel bounds to 128 KiB.
    public const int MaxBytes = 64 << 10;

    /// <exception cref="ConfigurationException">The file cannot be read or says something it may not say.</exception>
    public static FileSettings Read(string path) => Parse(path, ReadText(path));

    /// <exception cref="ConfigurationException">The file cannot be read, or is too long.</exception>
    public static string ReadText(string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (file.Exists && file.Length > MaxBytes)
            {
                throw new ConfigurationException($"{path}: {file.Length} bytes; a configuration file has at most {MaxBytes}");
            }

            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"{path}: cannot be read: {error.Message} Give an existing, readable file with --config.", error);
        }
    }

    /// <summary>Reads <paramref name="text"/>; <paramref name="path"/> is named in errors.</summary>
    public static FileSettings Parse(string path, string text)
    {
        var stream = new YamlStream();
        try
        {
            using var reader = new StringReader(text);
            stream.Load(reader);
        }
        catch (YamlException error)
        {
            throw new ConfigurationException(path, error.Start.Line, error.Start.Column, "", $"not YAML: {error.Message}");
        }

        if (stream.Documents.Count == 0)
        {
            return new FileSettings();
        }

        if (stream.Documents[0].RootNode is not YamlMappingNode root)
        {
            throw new ConfigurationException(path, 1, 1, "", "a mapping of keys to values was expected, for example 'http_port: 7801'");
        }

        var settings = ReadMapping(path, "", root, new FileSettings());
        if (settings.Runtime.DefaultTimeoutMs > settings.Runtime.MaxTimeoutMs)
        {
            throw new ConfigurationException(
                path, 1, 1, "limits.default_timeout_ms", $"must not exceed limits.max_timeout_ms ({settings.Runtime.MaxTimeoutMs})");
        }

        return settings.RpcTcp.Fault() is { } fault ? throw new ConfigurationException(path, 1, 1, fault.Key, fault.Reason) : settings;
    }

    private static FileSettings ReadMapping(string path, string prefix, YamlMappingNode mapping, FileSettings settings)
    {
        foreach (var (keyNode, valueNode) in mapping.Children)
        {
            var key = keyNode is YamlScalarNode { Value: { } name }
                ? prefix + name
                : throw At(path, keyNode, prefix, "a key must be a plain word");
            var known = ConfigurationKey.All.FirstOrDefault(k => string.Equals(k.Name, key, StringComparison.Ordinal));
            if (known is not null)
            {
                settings = ReadValue(path, known, valueNode, settings);
            }
            else if (valueNode is YamlMappingNode inner && prefix.Length == 0 && IsSection(key))
            {
                settings = ReadMapping(path, key + ".", inner, settings);
            }
            else if (prefix.Length == 0 && IsSection(key))
            {
                throw At(path, valueNode, key, $"is a section; write its keys below it: {string.Join(", ", KeysOf(key))}");
            }
            else
            {
                throw UnknownKey(path, keyNode, key);
            }
        }

        return settings;
    }

    private static FileSettings ReadValue(string path, ConfigurationKey key, YamlNode node, FileSettings settings)
    {
        if (node is not YamlScalarNode { Value: { } text })
        {
            throw At(path, node, key.Name, $"must be a {(key.IsText ? "text" : "whole number")}");
        }

        if (key.Fault is { } check)
        {
            return check(text) is { } reason ? throw At(path, node, key.Name, $"{reason}, not '{text}'") : key.Apply(settings, 0, text);
        }

        if (key.IsText)
        {
            if (text.Length < key.Minimum || text.Length > key.Maximum || !Path.IsPathRooted(text))
            {
                throw At(path, node, key.Name, $"must be an absolute path of at most {key.Maximum} characters, not '{text}'");
            }

            return key.Apply(settings, 0, text);
        }

        var isSize = key.Name.EndsWith("_bytes", StringComparison.Ordinal);
        if (!ConfigurationKey.TryParseNumber(text, isSize, out var number) || number < key.Minimum || number > key.Maximum)
        {
            var form = isSize ? " (a number, or one with KiB, MiB or GiB)" : "";
            throw At(path, node, key.Name, string.Create(
                CultureInfo.InvariantCulture, $"must be a whole number from {key.Minimum} to {key.Maximum}{form}, not '{text}'"));
        }

        return key.Apply(settings, number, text);
    }

    private static ConfigurationException UnknownKey(string path, YamlNode node, string key)
    {
        var names = ConfigurationKey.All.Select(static k => k.Name).ToList();
        var sections = names.Where(static n => n.Contains('.', StringComparison.Ordinal)).Select(static n => n[..n.IndexOf('.', StringComparison.Ordinal)]);
        var nearest = NearestName.Of(key, names.Concat(sections).Distinct(StringComparer.Ordinal));
        return At(path, node, key, nearest is null
            ? $"no such key; there are: {string.Join(", ", names)}"
            : $"no such key; did you mean '{nearest}'?");
    }

    private static bool IsSection(string name) => KeysOf(name).Any();

    private static IEnumerable<string> KeysOf(string section) => ConfigurationKey.All
        .Where(k => k.Name.StartsWith(section + ".", StringComparison.Ordinal))
        .Select(k => k.Name[(section.Length + 1)..]);

    private static ConfigurationException At(string path, YamlNode node, string key, string reason) =>
        new(path, node.Start.Line, node.Start.Column, key, reason);
}
