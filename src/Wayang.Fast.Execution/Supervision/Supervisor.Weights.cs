using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Commands;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Supervision;

/// <content>Call workers weigh for the processors as the class of their calls does.</content>
internal sealed partial class Supervisor
{
    /// <summary>A worker is to weigh as this class from now on. Thread-safe.</summary>
    public void Weigh(CallWorker worker, TaskClass taskClass) =>
        Post(new SupervisorRequest(SupervisorRequestKind.WeighWorker, CallWorker: worker, Class: taskClass));

    private void Tell(CallWorker worker, TaskClass taskClass)
    {
        if (worker.Weight.Tell(taskClass))
        {
            _link.SendClass(worker.Id, CommandRunner.NiceClass(PriorityLevels.DefaultOf(taskClass)));
        }
    }

    private void WeighAll()
    {
        foreach (var worker in Workers.All())
        {
            if (worker.Weight.OnTick(worker.Entries) is { } taskClass)
            {
                Tell(worker, taskClass);
            }
        }
    }
}
