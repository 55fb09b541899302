using System.Globalization;

using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Demo;

/// <summary>The demo's outcome for a person.</summary>
internal static class DemoTable
{
    private const double Half = 0.5;
    private const double Most = 0.99;

    public static void Write(TextWriter writer, DemoOutcome outcome)
    {
        WriteLoad(writer, outcome.Load);
        WritePython(writer, outcome.Python);
        WriteStatistics(writer, outcome);
        foreach (var facts in outcome.Sandboxes)
        {
            WriteSandbox(writer, facts);
        }

        WriteHostile(writer, outcome);
        WriteVerdict(writer, outcome);
    }

    private static void WriteLoad(TextWriter writer, LoadReport load)
    {
        writer.WriteLine();
        var jobs = string.Join(", ", load.PerJob.Select(static p => string.Create(CultureInfo.InvariantCulture, $"{p.Key} {p.Value}")));
        Line(writer, $"{load.Done} tasks in {load.Elapsed.TotalSeconds:0.00} s ({load.Done / load.Elapsed.TotalSeconds:0} a second, {load.Bytes / 1048576.0:0.0} MiB of files); wrong answers: {load.Wrong}");
        Line(writer, $"  {jobs}");
        foreach (var mistake in load.Mistakes)
        {
            Line(writer, $"  WRONG {mistake}");
        }

        writer.WriteLine();
        Line(writer, $"{"microseconds",-14}{"tasks",8}{"queue p50",12}{"p99",10}{"start p50",12}{"p99",10}{"run p50",12}{"p99",10}");
        foreach (var (kind, report) in load.PerKind)
        {
            WriteKind(writer, kind == TaskKind.Call ? "call (C)" : "exec", report);
        }
    }

    private static void WriteKind(TextWriter writer, string name, KindReport report) =>
        Line(writer, $"{name,-14}{report.Done,8}{report.Queue.At(Half),12}{report.Queue.At(Most),10}{report.Start.At(Half),12}{report.Start.At(Most),10}{report.Run.At(Half),12}{report.Run.At(Most),10}");

    private static void WritePython(TextWriter writer, PythonOutcome python)
    {
        if (python.Report is not { } load)
        {
            Line(writer, $"call (Python)  none here: {python.Missing}");
            return;
        }

        WriteKind(writer, "call (Python)", load.PerKind[TaskKind.Call]);
        Line(writer, $"  Python: the words of {load.Done} files weighed by their rarity (tf-idf), in {load.Elapsed.TotalSeconds:0.00} s; wrong answers: {load.Wrong}");
        foreach (var mistake in load.Mistakes)
        {
            Line(writer, $"  WRONG {mistake}");
        }
    }

    private static void WriteStatistics(TextWriter writer, DemoOutcome outcome)
    {
        var statistics = outcome.Statistics;
        writer.WriteLine();
        Line(writer, $"Workers: {Of("workers_started")} forked from a zygote for the calls, {outcome.Load.PerKind[TaskKind.Exec].Done} started for the commands (one each); {Of("workers_live")} live, {Of("ended_workerlost")} lost");

        long Of(string name) => statistics.GetValueOrDefault(name);
    }

    private static void WriteSandbox(TextWriter writer, SandboxFacts facts)
    {
        writer.WriteLine();
        Line(writer, $"Live worker {facts.ProcessId} ({facts.Name}), from /proc: {(facts.Holds ? "sandboxed" : "NOT AS PROMISED")}");
        writer.WriteLine("  " + string.Join("  ", facts.Values.Select(static p => $"{p.Key}={p.Value}")));
        if (facts.OwnNamespaces.Count > 0)
        {
            writer.WriteLine("  namespaces apart from ours: " + string.Join(' ', facts.OwnNamespaces));
        }

        if (facts.Descriptors.Count > 0)
        {
            writer.WriteLine("  descriptors: " + string.Join(", ", facts.Descriptors));
        }
    }

    private static void WriteHostile(TextWriter writer, DemoOutcome outcome)
    {
        writer.WriteLine();
        Line(writer, $"{"hostile task",-34}{"normal tasks beside",20}   end");
        foreach (var one in outcome.Hostile)
        {
            Line(writer, $"{one.Case.Name,-34}{one.Beside,20}   {one.End}{(one.Contained ? "" : $"   NOT CONTAINED (wanted: {one.Case.Wanted})")}");
        }

        Line(writer, $"Beside them {outcome.Beside.Done} normal tasks ran; wrong answers: {outcome.Beside.Wrong}");
        foreach (var mistake in outcome.Beside.Mistakes)
        {
            Line(writer, $"  WRONG {mistake}");
        }
    }

    private static void WriteVerdict(TextWriter writer, DemoOutcome outcome)
    {
        writer.WriteLine();
        writer.WriteLine(outcome.Passed ? "All checks passed. What to try next:" : "SOME CHECKS FAILED (see above). What to try next:");
        writer.WriteLine("  ./build.sh run run -- sh -c 'id; ls /; cat /proc/self/status'   look around inside a sandbox");
        writer.WriteLine("  ./build.sh run run c out/install/native/demo/text_plugin.so:top --data @README.md");
        writer.WriteLine("  ./build.sh run serve     a runtime that stays; then submit, wait, status, node");
        writer.WriteLine("  ./build.sh run run python demo/tfidf.py:keywords --data '{\"counts\":{\"a\":1},\"documents_with\":{\"a\":1},\"documents\":2}'");
        writer.WriteLine("  demo/text_plugin.c, demo/tfidf.py   how such functions are written");
        writer.WriteLine("  ./build.sh perf dispatch what a task costs on this machine");
    }

    private static void Line(TextWriter writer, FormattableString text) => writer.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
