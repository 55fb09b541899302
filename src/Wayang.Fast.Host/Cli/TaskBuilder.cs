using System.Diagnostics;

using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary>Makes a task of the arguments: reads its input, and sends its file to the node.</summary>
internal static class TaskBuilder
{
    private static readonly TimeSpan LongestLoad = TimeSpan.FromSeconds(70);

    public static async Task<TaskSpec> BuildAsync(TaskArguments arguments, WayangClient client, CancellationToken cancellation)
    {
        var spec = arguments.Target is { } target
            ? await BuildCallAsync(arguments, target, client, cancellation)
            : await BuildCommandAsync(arguments, cancellation);
        spec = spec with
        {
            Profile = arguments.Profile,
            Class = arguments.Class,
            Priority = arguments.Priority,
            Reuse = arguments.Reuse,
            Limits = arguments.Limits,
            Pure = arguments.Pure,
            Migration = arguments.Migration,
            GrantedConnections = arguments.GrantedConnections,
            Timeout = arguments.TimeoutMs is { } timeout ? TimeSpan.FromMilliseconds(timeout) : null,
        };
        return arguments.Life?.Apply(spec) ?? spec;
    }

    /// <summary>Hands a task in; where the node is not ready for it yet (its image is being loaded under another profile), as often as it says.</summary>
    public static async Task<TaskId> SubmitAsync(WayangClient client, TaskSpec spec, CancellationToken cancellation)
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return await client.SubmitAsync(spec, cancellation);
            }
            catch (WayangException error) when (error is { Code: ErrorCode.Unavailable, RetryAfter: not null, Field: "profile" or "limits" }
                && Stopwatch.GetElapsedTime(started) < LongestLoad)
            {
                await Task.Delay(error.RetryAfter.Value, cancellation);
            }
        }
    }

    private static async Task<TaskSpec> BuildCommandAsync(TaskArguments arguments, CancellationToken cancellation)
    {
        var input = arguments.Data is { } data
            ? await InputReader.ReadArgumentAsync(data, cancellation)
            : await InputReader.ReadPipedAsync(cancellation);
        var spec = new TaskSpec { Kind = TaskKind.Exec, Image = arguments.CommandImage, Arguments = arguments.Command, Stdin = input };
        return await FileReader.AddAsync(spec, arguments.Files, cancellation);
    }

    private static async Task<TaskSpec> BuildCallAsync(TaskArguments arguments, string target, WayangClient client, CancellationToken cancellation)
    {
        var colon = target.LastIndexOf(':');
        var (image, function) = (target[..colon], target[(colon + 1)..]);
        if (ImageFile.IsFile(image))
        {
            var stored = await ImageFile.PutAsync(client, image, arguments.ImageKind, name: null, arguments.Preload, cancellation);
            ImageFile.RequireFunction(image, function, stored);
            image = stored.Image;
        }

        var input = arguments.Data is null ? [] : await InputReader.ReadArgumentAsync(arguments.Data, cancellation);
        return TaskSpec.Call(image, function, input);
    }
}
