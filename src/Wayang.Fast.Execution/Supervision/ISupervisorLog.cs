namespace Wayang.Fast.Execution.Supervision;

/// <summary>Where the runtime tells an operator what happened. Implementations are thread-safe and do not block for long.</summary>
public interface ISupervisorLog
{
    void Info(string message);

    void Warn(string message);
}
