using System.Diagnostics;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Supervision;

/// <content>The spawner: its comings and goings, and what it says.</content>
internal sealed partial class Supervisor
{
    private void Attach(PacketSocket socket)
    {
        LoseSpawner("a new spawner took its place");
        _attached = socket.Descriptor;
        _poller.Add(_attached, SpawnerToken, edgeTriggered: false);
        _link.Attach(socket);
        SpawnersAttached++;
    }

    private void LoseSpawner(string why)
    {
        if (_attached < 0)
        {
            return;
        }

        SpawnersLost++;
        _incidents.Add(IncidentKind.SpawnerLost, string.Empty, $"the spawner was lost ({why}); its workers ended with it");
        _log.Warn($"the spawner was lost ({why}); its workers ended with it");
        _poller.Remove(_attached);
        _attached = -1;
        _link.Detach();
        _scans.Lose();
        _images.LoseAll();
        LoseCaptures("the spawner ended");
        foreach (var worker in Workers.All())
        {
            NoteExit(worker);
            _completion.Post(new CompletionCommand(
                CompletionCommandKind.WorkerExited, worker, new WorkerExit(worker.Id, ExitKind.Killed, 0, 0, 0, "the spawner ended")));
        }

        _commands.LoseAll("the spawner ended");

        // Their pipes have a grace to reach the end of file.
        WatchDeadline(Stopwatch.GetTimestamp());
    }

    private void ReceiveFromSpawner()
    {
        for (var i = 0; i < 64; i++)
        {
            var status = _link.Receive(_buffer, out var bytes);
            if (status == PacketStatus.WouldBlock)
            {
                return;
            }

            if (status != PacketStatus.Ok)
            {
                LoseSpawner("its socket was closed");
                return;
            }

            if (!OnMessage(_buffer.AsSpan(0, bytes)))
            {
                LoseSpawner("it sent a malformed message");
                return;
            }
        }
    }

    private bool OnMessage(ReadOnlySpan<byte> message)
    {
        if (!MessageReader.TryReadHeader(message, out var type, out var request))
        {
            return false;
        }

        var body = message[ProtocolLayout.HeaderBytes..];
        switch (type)
        {
            case MessageType.Welcome:
                if (!MessageReader.TryReadWelcome(body, out var welcome))
                {
                    return false;
                }

                _link.OnWelcome(welcome!);
                _profiles.DefineAll();
                _images.OpenAll();
                return true;
            case MessageType.ImageReady:
                return MessageReader.TryReadImageReady(body, out var image, out var zygote, out var functions)
                    && _images.OnReady(image, zygote, functions);
            case MessageType.WorkerStarted:
                return MessageReader.TryReadWorkerStarted(body, out var worker, out var pid) && OnWorkerStarted(worker, pid);
            case MessageType.WorkerExited:
                return MessageReader.TryReadWorkerExited(body, out var exit) && OnWorkerExited(exit);
            case MessageType.WorkerFrozen:
                return OnWorkerFrozen(body);
            case MessageType.WorkerCaptured:
                return OnCaptured(request, body);
            case MessageType.WorkerRestored:
                return OnRestored(body);
            case MessageType.WorkerPrepared:
                return OnPrepared(body);
            case MessageType.ScanFinding:
                return OnScanFinding(body);
            case MessageType.ScanDone:
                return OnScanDone(body);
            case MessageType.UsageOf:
                return _usage.OnAnswer(body);
            case MessageType.ProfileNetwork:
                return ProfileMessages.TryReadNetwork(body, out var network) && _profiles.OnNetwork(network!);
            case MessageType.ImageGone:
            case MessageType.Refused:
            case MessageType.Log:
                return MessageReader.TryReadFailure(body, type == MessageType.ImageGone, out var failure) && OnFailure(type, request, failure);
            default:
                return false;
        }
    }

    private bool OnWorkerStarted(ulong id, int pid)
    {
        if (Workers.Find(id) is { } worker)
        {
            worker.ProcessId = pid;
        }
        else if (_commands.TryFind(id, out var run))
        {
            _commands.OnStarted(run!, pid);
        }

        return true;
    }

    private bool OnScanFinding(ReadOnlySpan<byte> body)
    {
        if (!ScanMessages.TryReadFinding(body, out var finding))
        {
            return false;
        }

        var pool = Workers.Find(finding.Worker)?.Pool ?? (_commands.TryFind(finding.Worker, out var run) ? run!.Pool : null);
        _scans.OnFinding(finding, pool?.Name ?? string.Empty);
        return true;
    }

    private bool OnScanDone(ReadOnlySpan<byte> body)
    {
        if (!ScanMessages.TryReadDone(body, out var workers, out var processes, out var untold))
        {
            return false;
        }

        _scans.OnDone(workers, processes, untold);
        return true;
    }

    private bool OnWorkerExited(in WorkerExit exit)
    {
        _exits[(uint)exit.Kind < (uint)_exits.Length ? (int)exit.Kind : 0]++;
        if (Workers.Find(exit.Worker) is { } worker)
        {
            NoteExit(worker);
            _completion.Post(new CompletionCommand(CompletionCommandKind.WorkerExited, worker, exit));
        }
        else if (_commands.TryFind(exit.Worker, out var run))
        {
            if (exit.Kind == ExitKind.Lost && _commands.TryWithdraw(run!))
            {
                // Nothing of it ran: its image went down before. It starts anew when the image is back.
                _retries.Add(new SupervisorRequest(
                    SupervisorRequestKind.StartCommand, run!.Pool, Record: run.Record, Id: run.TaskId, Deadline: run.Deadline));
                return true;
            }

            _commands.OnExited(run!, exit);
            WatchDeadline(run!.KillAt);
        }

        return true;
    }

    private bool OnFailure(MessageType type, ulong request, in SpawnerFailure failure)
    {
        if (type == MessageType.ImageGone)
        {
            _images.OnGone(failure);
            return true;
        }

        if (type == MessageType.Refused && request == 0)
        {
            return true; // a signal to a worker that just ended, or a TERM to a command that has not begun: the kill follows
        }

        if (type == MessageType.Refused && OnCaptureRefused(request, failure))
        {
            return true; // its worker goes on, and who asked is told
        }

        _log.Warn($"spawner: {failure.Text}");

        // A refused start would otherwise be waited for without end.
        if (type == MessageType.Refused && request > 1 && !_profiles.OnRefused(request, failure.Text) && !_images.OnRefused(request, failure))
        {
            if (failure.IsClosed)
            {
                ImageKeeper.OnEnding(Workers.Find(request)?.Pool.Image ?? (_commands.TryFind(request, out var run) ? run!.Pool.Image : null));
            }

            OnWorkerExited(new WorkerExit(
                request, failure.IsClosed ? ExitKind.Lost : ExitKind.NotStarted, failure.Errno, 0, 0, failure.Text));
        }

        return true;
    }
}
