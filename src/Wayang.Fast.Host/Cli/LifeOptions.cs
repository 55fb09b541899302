using System.CommandLine;
using System.Globalization;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary>The terms of a task's life, as <c>run</c> and <c>submit</c> take them.</summary>
/// <param name="Retry">Null: one attempt.</param>
internal sealed record LifeArguments(RetrySpec? Retry, DateTimeOffset? Deadline, TaskId? Parent, bool Detached, string? Group, string? Key, bool? Durable)
{
    public TaskSpec Apply(TaskSpec spec) =>
        spec with { Retry = Retry, Deadline = Deadline, Parent = Parent, Detached = Detached, Group = Group, IdempotencyKey = Key, Durable = Durable };
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

    private readonly Option<string?> deadline = new("--deadline")
    {
        Description = "When the task is stopped, whether it waits or runs: a time from now (30s, 2h), or 2026-01-31T12:00:00Z.",
        HelpName = "TIME",
    };

    private readonly Option<string?> parent = new("--parent")
    {
        Description = "A task: when it ends, or is cancelled, this one is cancelled.",
        HelpName = "ID",
    };

    private readonly Option<bool> detached = new("--detached") { Description = "Only the parent's cancel ends this task, not its other ends." };

    private readonly Option<string?> group = new("--group") { Description = "A name for tasks that belong together; see: wayang group --help.", HelpName = "NAME" };

    private readonly Option<string?> key = new("--key")
    {
        Description = "Idempotency key: sent again with the same task it is the same task, not another one.",
        HelpName = "KEY",
    };

    private readonly Option<bool?> durable = new("--durable")
    {
        Description = "Stored before it is acknowledged: it outlives a restart of the node (which keeps a ledger where state.directory is set); false: not, whatever the node's default.",
        HelpName = "BOOL",
    };

    public void AddTo(Command command)
    {
        command.Options.Add(deadline);
        command.Options.Add(parent);
        command.Options.Add(detached);
        command.Options.Add(group);
        command.Options.Add(key);
        command.Options.Add(durable);
        command.Options.Add(retries);
        command.Options.Add(backoff);
        command.Options.Add(retryOn);
    }

    public LifeArguments Read(ParseResult result)
    {
        TaskId? family = result.GetValue(parent) is { } id ? TaskArgument.Parse(id) : null;
        return result.GetValue(detached) && family is null
            ? throw Usage("--detached belongs to --parent", "A task without a parent is ended by nobody's end.")
            : new(ReadRetry(result), ReadDeadline(result.GetValue(deadline)), family, result.GetValue(detached), result.GetValue(group), result.GetValue(key), result.GetValue(durable));
    }

    private static DateTimeOffset? ReadDeadline(string? text)
    {
        if (text is null || !text.Contains('T', StringComparison.Ordinal))
        {
            return DateTimeOffset.UtcNow + DurationText.Read("--deadline", text);
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out var time)
            ? time
            : throw Usage($"--deadline '{text}' is no time", "Write 2026-01-31T12:00:00Z, or a time from now: --deadline 30s");
    }

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
