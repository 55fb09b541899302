using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary>Makes a task of the arguments: reads its input, and sends a plugin's file to the node.</summary>
internal static class TaskBuilder
{
    public static async Task<TaskSpec> BuildAsync(TaskArguments arguments, WayangClient client, CancellationToken cancellation)
    {
        var spec = arguments.Target is { } target
            ? await BuildCallAsync(target, arguments.Data, client, cancellation)
            : await BuildCommandAsync(arguments, cancellation);
        return spec with
        {
            Profile = arguments.Profile,
            Class = arguments.Class,
            Priority = arguments.Priority,
            Timeout = arguments.TimeoutMs is { } timeout ? TimeSpan.FromMilliseconds(timeout) : null,
        };
    }

    private static async Task<TaskSpec> BuildCommandAsync(TaskArguments arguments, CancellationToken cancellation)
    {
        var input = arguments.Data is { } data
            ? await InputReader.ReadArgumentAsync(data, cancellation)
            : await InputReader.ReadPipedAsync(cancellation);
        return new TaskSpec { Kind = TaskKind.Exec, Arguments = arguments.Command, Stdin = input };
    }

    private static async Task<TaskSpec> BuildCallAsync(string target, string? data, WayangClient client, CancellationToken cancellation)
    {
        var colon = target.LastIndexOf(':');
        var (image, function) = (target[..colon], target[(colon + 1)..]);
        if (IsFile(image))
        {
            var content = await InputReader.ReadFileAsync(image, "the plugin", cancellation);
            var stored = await PutAsync(image, content, client, cancellation);
            RequireFunction(image, function, stored);
            image = stored.Image;
        }

        var input = data is null ? [] : await InputReader.ReadArgumentAsync(data, cancellation);
        return TaskSpec.Call(image, function, input);
    }

    /// <summary>The node knows bytes only: its refusal is told with the file's name.</summary>
    private static async Task<ImageInfo> PutAsync(string file, byte[] content, WayangClient client, CancellationToken cancellation)
    {
        try
        {
            return await client.PutImageAsync("c", content, cancellation: cancellation);
        }
        catch (WayangException error) when (error.Code == ErrorCode.InvalidArgument)
        {
            throw new CommandException($"{file}: {error.Message}", "Give a shared library that implements wayang_plugin.h (see demo/text_plugin.c).");
        }
    }

    private static bool IsFile(string image) =>
        image.Contains('/', StringComparison.Ordinal) || image.EndsWith(".so", StringComparison.Ordinal);

    private static void RequireFunction(string file, string function, ImageInfo image)
    {
        if (!image.Functions.Contains(function, StringComparer.Ordinal))
        {
            var nearest = NearestName.Of(function, image.Functions);
            throw new CommandException(
                $"{file} registers no function '{function}'",
                nearest is null ? $"It has: {string.Join(", ", image.Functions)}." : $"Did you mean {nearest}?",
                ExitCodes.Usage);
        }
    }
}
