using System.CommandLine;
using System.Globalization;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary>The terms of a task's life, as <c>run</c> and <c>submit</c> take them.</summary>
/// <param name="Retry">Null: one attempt.</param>
internal sealed record LifeArguments(RetrySpec? Retry)
{
    public TaskSpec Apply(TaskSpec spec) => spec with { Retry = Retry };
}

/// <summary>Their options.</summary>
internal sealed class LifeOptions
{
    private readonly Option<int?> retries = new("--retries")
    {
        Description = "So many further attempts when one fails (0 to 99); see --backoff and --retry-on.",
        HelpName = "COUNT",
    };

    private readonly Option<string?> backoff = new("--backoff")
    {
        Description = "Pause before the second attempt, doubled before each further one up to a minute: a number with ms, s, m or h; default 1s.",
        HelpName = "TIME",
    };

    private readonly Option<string?> retryOn = new("--retry-on")
    {
        Description = "Causes that are worth another attempt: exit, signal, exception, out_of_memory, timeout, disk_quota, worker_lost; by default all of these.",
        HelpName = "CAUSE,...",
    };

    public void AddTo(Command command)
    {
        command.Options.Add(retries);
        command.Options.Add(backoff);
        command.Options.Add(retryOn);
    }

    public LifeArguments Read(ParseResult result) => new(ReadRetry(result));

    private RetrySpec? ReadRetry(ParseResult result)
    {
        var count = result.GetValue(retries);
        var pause = DurationText.Read("--backoff", result.GetValue(backoff));
        var causes = result.GetValue(retryOn);
        if (count is null)
        {
            return pause is null && causes is null
                ? null
                : throw Usage($"{(pause is null ? "--retry-on" : "--backoff")} belongs to --retries", "Say how many further attempts there may be: --retries 3");
        }

        if (count is < 0 or > 99)
        {
            throw Usage(string.Create(CultureInfo.InvariantCulture, $"--retries {count} is no count"), "Write a number from 0 to 99: --retries 3");
        }

        return new RetrySpec(count.Value + 1) { Backoff = pause, On = ReadCauses(causes) };
    }

    private static CauseType[] ReadCauses(string? text)
    {
        var names = (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return Array.ConvertAll(names, static name =>
        {
            if (WireNames.TryParse<CauseType>(name, out var cause) && cause != CauseType.None)
            {
                return cause;
            }

            var nearest = NearestName.Of(name, WireNames.All<CauseType>());
            throw Usage($"--retry-on '{name}': no such cause", nearest is null
                ? "There are: exit, signal, exception, out_of_memory, timeout, disk_quota, worker_lost."
                : $"Did you mean {nearest}?");
        });
    }

    private static CommandException Usage(string message, string remedy) => new(message, remedy, ExitCodes.Usage);
}
