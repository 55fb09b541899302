using System.CommandLine;

using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Cli;

/// <summary>A file whose functions can be called: a C plugin or a Python module.</summary>
internal static class ImageFile
{
    public const string Plugin = "c";
    public const string Python = "python";

    public static Option<string[]> Preload { get; } = new("--preload")
    {
        Description = "Modules to import before the first call (python): where a profile has no files, later imports fail.",
        HelpName = "MODULE[,MODULE...]",
        AllowMultipleArgumentsPerToken = false,
    };

    public static string[] ReadPreload(ParseResult result) =>
        [.. (result.GetValue(Preload) ?? []).SelectMany(static words => words.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];

    public static string Example(string kind) => kind == Python ? "./file.py" : "./plugin.so";

    /// <summary>What a file is by its name; null when that does not tell.</summary>
    public static string? KindOf(string file) => Path.GetExtension(file) switch
    {
        ".py" => Python,
        ".so" => Plugin,
        _ => null,
    };

    public static bool IsFile(string image) => image.Contains('/', StringComparison.Ordinal) || KindOf(image) is not null;

    /// <summary>Reads a file and stores it; the node knows bytes only, so its refusal is told with the file's name.</summary>
    public static async Task<ImageInfo> PutAsync(
        WayangClient client, string file, string kind, string? name, IReadOnlyList<string> preload, CancellationToken cancellation)
    {
        if (KindOf(file) is { } other && other != kind)
        {
            throw new CommandException($"{file} is a file of kind {other}, not {kind}", $"Write: {other} {file}", ExitCodes.Usage);
        }

        var content = await InputReader.ReadFileAsync(file, kind == Python ? "the Python module" : "the plugin", cancellation);
        try
        {
            return await client.PutImageAsync(kind, content, new ImageNames { Name = name, Preload = preload, File = kind == Python ? ShownName(file) : null }, cancellation);
        }
        catch (WayangException error) when (error.Code == ErrorCode.InvalidArgument && kind == Plugin)
        {
            throw new CommandException($"{file}: {error.Message}", "Give a shared library that implements wayang_plugin.h (see demo/text_plugin.c).");
        }
        catch (WayangException error) when (error.Code is ErrorCode.InvalidArgument or ErrorCode.TooLarge or ErrorCode.ImageFailed && kind == Python)
        {
            throw new CommandException($"{file} cannot be loaded: {error.Message}", Remedy(error));
        }
    }

    public static void RequireFunction(string file, string function, ImageInfo image)
    {
        if (!image.Functions.Contains(function, StringComparer.Ordinal))
        {
            var nearest = NearestName.Of(function, image.Functions);
            throw new CommandException(
                $"{file} has no function '{function}'",
                $"{(nearest is null ? "" : $"Did you mean {nearest}? ")}It has: {string.Join(", ", image.Functions)}.",
                ExitCodes.Usage);
        }
    }

    private static string Remedy(WayangException error) => error.Message.Contains("apt-get", StringComparison.Ordinal)
        ? "Install what is missing where the node runs, then try again."
        : "Correct the file, then try again.";

    /// <summary>The file's name as tracebacks show it: what the node does not take in a name becomes an underscore.</summary>
    private static string ShownName(string file)
    {
        const int most = 63;
        var name = string.Concat(Path.GetFileName(file).Select(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '_'));
        name = name[Math.Max(0, name.Length - most)..];
        return name.StartsWith('.') ? '_' + name[1..] : name;
    }
}
