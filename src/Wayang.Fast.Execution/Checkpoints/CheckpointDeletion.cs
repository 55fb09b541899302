namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>
/// Takes checkpoints' files away, one after the other, on a thread that gives way to all others (ThreadRanks knows it by its name), and bit by bit: the kernel frees what it holds of a file in one go, which nothing
/// interrupts. That are 6 ms for one of 128 MB, for which a call that has just moved, or an urgent one, would wait that happens to stand on the same processor. Thread-safe.
/// </summary>
internal static class CheckpointDeletion
{
    private const string ThreadName = "wayang-delete";
    private const int StepBytes = 2 << 20;

    private static readonly object s_lock = new();
    private static readonly Queue<string> s_paths = new();
    private static bool s_runs;

    /// <summary>Of no effect when it is not there. Who still reads it finds its end. What is left undone is swept at the next start.</summary>
    public static void DeleteSoon(string path)
    {
        lock (s_lock)
        {
            s_paths.Enqueue(path);
            Monitor.Pulse(s_lock);
            if (s_runs)
            {
                return;
            }

            s_runs = true;
        }

        new Thread(Run) { IsBackground = true, Name = ThreadName }.Start();
    }

    private static void Run()
    {
        while (true)
        {
            string? path;
            lock (s_lock)
            {
                while (!s_paths.TryDequeue(out path))
                {
                    Monitor.Wait(s_lock);
                }
            }

            try
            {
                Delete(path);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                // The next start sweeps it.
            }
        }
    }

    private static void Delete(string path)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        File.Delete(path); // its name first: what is interrupted here leaves nothing
        for (var left = RandomAccess.GetLength(file) - StepBytes; left > 0; left -= StepBytes)
        {
            RandomAccess.SetLength(file, left);
        }
    }
}
