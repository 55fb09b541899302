using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Resources;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Resources;

/// <summary>What the result of a pure task depends on.</summary>
internal static class PureKeys
{
    public static ResultKey Of(PoolTarget target, in TaskSubmission submission)
    {
        using var builder = new ResultKeyBuilder();
        builder.Add(target.Tenant);
        builder.Add(target.Pool.Key.Image);
        builder.Add(target.Pool.Key.Profile);
        builder.Add(target.FunctionName);
        if (submission.Command is { } command)
        {
            builder.Add(command.Arguments);
            builder.Add(command.Environment);
            builder.Add(command.WorkingDirectory ?? string.Empty);
        }

        builder.Add(submission.Data);
        return builder.Build();
    }
}
