using Wayang.Fast.Perf;
using Wayang.Fast.Perf.Harness;
using Wayang.Fast.Perf.Interference;
using Wayang.Fast.Perf.Report;
using Wayang.Fast.Perf.Soak;

// As the keeper sets it for the daemon; read when the first socket is made.
Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");

PerfOptions options;
IReadOnlyList<Suite> chosen;
try
{
    options = PerfOptions.Parse(args);
    chosen = [.. Composition.Suites().Where(suite => options.Suite == suite.Name || (options.Suite == "all" && suite is not (SoakSuite or InterferenceSuite)))];
    if (chosen.Count == 0)
    {
        throw new PerfException($"no suite is called {options.Suite}");
    }
}
catch (PerfException error)
{
    Console.Error.WriteLine($"wayang-perf: {error.Message}");
    Console.Error.WriteLine(PerfOptions.Usage);
    return 2;
}

// A missed target is told, not an error: measuring succeeded.
try
{
    foreach (var suite in chosen)
    {
        var context = new SuiteContext(options.Quick, Composition.Pin, Console.Error) { Tasks = options.Tasks, Seed = options.Seed, Only = options.Only ?? [] };
        var results = suite.Run(context);
        ResultTable.Print(Console.Out, suite.Name, results);
        var path = options.Json ?? ResultFile.DefaultPath(context.Root, suite.Name);
        ResultFile.Write(path, suite.Name, context.Root, results);
        Console.Out.WriteLine($"written to {path}");
    }
}
catch (PerfException error)
{
    Console.Error.WriteLine($"wayang-perf: {error.Message}");
    return 1;
}

return 0;
