using Wayang.Fast.Execution.Supervision;

namespace Wayang.Fast.Host.Serving;

/// <summary>Operators' lines on standard error, where the keeper's and the spawner's are too.</summary>
internal sealed class StandardErrorLog : ISupervisorLog
{
    public void Info(string message) => Write("info", message);

    public void Warn(string message) => Write("warning", message);

    private static void Write(string level, string message) => Console.Error.WriteLine($"wayang: {level}: {message}");
}
