using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Writes what is told of a task's life, in the replies on a task.</summary>
internal static class LifeReplies
{
    /// <summary>How many keys <see cref="Write"/> writes.</summary>
    public static int Count(TaskLifeFacts? life) =>
        life is null ? 0 : (HasAttempts(life) ? 2 : 0) + (life.Attempts.Count > 0 ? 1 : 0) + (life.RetryAt is null ? 0 : 1)
            + (life.Paused ? 1 : 0) + (life.Deadline is null ? 0 : 1) + (life.Group is null ? 0 : 1) + (life.Parent is null ? 0 : 1) + (life.Durable ? 1 : 0)
            + (life.Preemption is null ? 0 : 1) + (life.Checkpoint is null ? 0 : 1) + (life.Moves is null ? 0 : 1) + (life.Home is null ? 0 : 1)
            + (life.Saved is null ? 0 : 1);

    /// <summary>One that gave its place back has another, which its terms do not count.</summary>
    private static bool HasAttempts(TaskLifeFacts life) => life.MaxAttempts > 1 || life.Attempt > 1;

    public static void Write(ref MessagePackWriter writer, TaskLifeFacts? life)
    {
        if (life is null)
        {
            return;
        }

        if (HasAttempts(life))
        {
            ReplyEncoder.Number(ref writer, "attempt"u8, life.Attempt);
            ReplyEncoder.Number(ref writer, "max_attempts"u8, life.MaxAttempts);
        }

        WriteAttempts(ref writer, life);
        if (life.RetryAt is { } at)
        {
            ReplyEncoder.Text(ref writer, "retry_at"u8, ReplyEncoder.Time(at));
        }

        if (life.Paused)
        {
            writer.WriteString("paused"u8);
            writer.WriteBoolean(true);
        }

        if (life.Preemption is { } preemption)
        {
            WritePreemption(ref writer, preemption);
        }

        if (life.Checkpoint is { } checkpoint)
        {
            WriteCheckpoint(ref writer, checkpoint);
        }

        if (life.Saved is { } saved)
        {
            writer.WriteString("saved"u8);
            writer.WriteMapHeader(3);
            ReplyEncoder.Number(ref writer, "bytes"u8, saved.Bytes);
            ReplyEncoder.Text(ref writer, "at"u8, ReplyEncoder.Time(saved.At));
            ReplyEncoder.Number(ref writer, "times"u8, saved.Times);
        }

        WriteMoves(ref writer, life);
        if (life.Deadline is { } deadline)
        {
            ReplyEncoder.Text(ref writer, "deadline"u8, ReplyEncoder.Time(deadline));
        }

        if (life.Group is { } group)
        {
            ReplyEncoder.Text(ref writer, "group"u8, group);
        }

        if (life.Parent is { } parent)
        {
            ReplyEncoder.Text(ref writer, "parent"u8, parent.ToString());
        }

        if (life.Durable)
        {
            writer.WriteString("durable"u8);
            writer.WriteBoolean(true);
        }
    }

    private static void WriteAttempts(ref MessagePackWriter writer, TaskLifeFacts life)
    {
        if (life.Attempts.Count == 0)
        {
            return;
        }

        writer.WriteString("attempts"u8);
        writer.WriteArrayHeader(life.Attempts.Count);
        foreach (var attempt in life.Attempts)
        {
            writer.WriteMapHeader(4);
            ReplyEncoder.Number(ref writer, "attempt"u8, attempt.Attempt);
            writer.WriteString("state"u8);
            writer.WriteString(WireNames.Utf8(attempt.State));
            writer.WriteString("cause"u8);
            CauseFields.Write(ref writer, attempt.Cause, traceback: false);
            ReplyEncoder.Number(ref writer, "run_us"u8, attempt.RunMicroseconds);
        }
    }

    private static void WriteMoves(ref MessagePackWriter writer, TaskLifeFacts life)
    {
        if (life.Moves is { } moves)
        {
            writer.WriteString("moves"u8);
            writer.WriteMapHeader(MoveCalls.Count(moves));
            MoveCalls.Write(ref writer, moves);
        }

        if (life.Home is { } home)
        {
            ReplyEncoder.Text(ref writer, "home"u8, home);
        }
    }

    private static void WriteCheckpoint(ref MessagePackWriter writer, TaskCheckpoint checkpoint)
    {
        writer.WriteString("checkpoint"u8);
        writer.WriteMapHeader(checkpoint.Failure is null ? 3 : 4);
        ReplyEncoder.Text(ref writer, "file"u8, checkpoint.File);
        ReplyEncoder.Number(ref writer, "bytes"u8, checkpoint.Bytes);
        ReplyEncoder.Text(ref writer, "at"u8, ReplyEncoder.Time(checkpoint.At));
        if (checkpoint.Failure is { } failure)
        {
            ReplyEncoder.Text(ref writer, "failure"u8, failure);
        }
    }

    private static void WritePreemption(ref MessagePackWriter writer, TaskPreemption preemption)
    {
        writer.WriteString("preemption"u8);
        writer.WriteMapHeader(preemption.Since is null ? 4 : 5);
        ReplyEncoder.Number(ref writer, "times"u8, preemption.Times);
        ReplyEncoder.Number(ref writer, "frozen_us"u8, preemption.FrozenMicroseconds);
        writer.WriteString("by"u8);
        ReplyEncoder.Id(ref writer, preemption.By);
        writer.WriteString("reason"u8);
        Span<byte> reason = stackalloc byte[PreemptionReason.MaxBytes];
        if (preemption.Reason.TryFormat(reason, out var written))
        {
            writer.WriteString(reason[..written]);
        }
        else
        {
            writer.WriteString(preemption.Reason.ToString());
        }

        if (preemption.Since is { } since)
        {
            ReplyEncoder.Text(ref writer, "since"u8, ReplyEncoder.Time(since));
        }
    }
}
