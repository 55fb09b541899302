using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using Wayang.Fast.Core.Diagnostics;

namespace Wayang.Fast.Host.Monitoring;

/// <summary>The daemon as a process: processor time, memory, descriptors, threads, what was built.</summary>
internal sealed class ProcessMetrics(TimeProvider time) : IMetricSource
{
    private readonly long _started = time.GetTimestamp();

    public void WriteMetrics(Exposition exposition)
    {
        var version = typeof(ProcessMetrics).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0";
        exposition.Gauge("wayang_build_info", "What runs; always 1.");
        exposition.Sample(1, "version", version, "framework", RuntimeInformation.FrameworkDescription, "architecture", RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant());
        exposition.Gauge("wayang_uptime_seconds", "Since the daemon started.", time.GetElapsedTime(_started).TotalSeconds);
        var cpu = Environment.CpuUsage;
        exposition.Counter("wayang_process_cpu_seconds_total", "Processor time of the daemon, by where it was spent.");
        exposition.Sample(cpu.UserTime.TotalSeconds, "mode", "user");
        exposition.Sample(cpu.PrivilegedTime.TotalSeconds, "mode", "system");
        exposition.Gauge("wayang_process_resident_bytes", "Memory of the daemon that is in RAM.", Environment.WorkingSet);
        exposition.Gauge("wayang_process_descriptors", "Descriptors that the daemon holds open.", Count("/proc/self/fd"));
        exposition.Gauge("wayang_process_threads", "Threads of the daemon.", Count("/proc/self/task"));
        exposition.Gauge("wayang_process_descriptor_limit", "Descriptors that the daemon may hold open.", DescriptorLimit());
        ThreadPool.GetAvailableThreads(out var available, out _);
        ThreadPool.GetMaxThreads(out var most, out _);
        exposition.Gauge("wayang_thread_pool_threads", "Threads of the thread pool.", ThreadPool.ThreadCount);
        exposition.Gauge("wayang_thread_pool_busy", "Of these, how many are at work.", most - available);
        exposition.Gauge("wayang_thread_pool_queue_items", "Work items that wait for a thread of the thread pool.", ThreadPool.PendingWorkItemCount);
        exposition.Counter("wayang_thread_pool_items_total", "Work items that the thread pool has done.", ThreadPool.CompletedWorkItemCount);
        exposition.Counter("wayang_lock_contentions_total", "Times that a thread waited for a managed lock.", Monitor.LockContentionCount);
    }

    private static int Count(string folder) => Directory.EnumerateFileSystemEntries(folder).Count();

    private static double DescriptorLimit()
    {
        const string Key = "Max open files";
        var line = File.ReadLines("/proc/self/limits").FirstOrDefault(static l => l.StartsWith(Key, StringComparison.Ordinal));
        var word = line?[Key.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return double.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit : double.PositiveInfinity;
    }
}
