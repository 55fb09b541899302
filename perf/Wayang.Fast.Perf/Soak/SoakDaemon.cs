using Wayang.Fast.Client;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Soak;

/// <summary>The installed runtime, set so that what the soak looks for happens during it.</summary>
internal sealed class SoakDaemon : IDisposable
{
    private static readonly Dictionary<string, string> s_settings = new(StringComparer.Ordinal)
    {
        // Without its port, which another may have.
        ["WAYANG__HTTP_PORT"] = "0",
        ["WAYANG_LOG_COLLECTIONS"] = "1",

        // What is remembered must reach its bound early, or memory grows by right.
        ["WAYANG__RETENTION__TASKS"] = "10000",
    };

    private readonly InstalledRuntime _runtime;

    public SoakDaemon(SuiteContext context) => _runtime = new InstalledRuntime(context, "soak", s_settings, Collections.Read);

    public SoakCollections Collections { get; } = new(Console.Error);

    public string Instance => _runtime.Instance;

    public int Keeper => _runtime.Keeper;

    public bool HasEnded => _runtime.HasEnded;

    public Task<WayangClient> ConnectAsync() => _runtime.ConnectAsync();

    public void Dispose() => _runtime.Dispose();
}
