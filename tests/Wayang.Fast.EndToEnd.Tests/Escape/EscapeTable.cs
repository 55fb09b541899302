using System.Runtime.InteropServices;

namespace Wayang.Fast.EndToEnd.Tests.Escape;

/// <summary>What has to come of each attempt, for each mode.</summary>
internal static partial class EscapeTable
{
    /// <summary>The path is not there, or not open: which of the two differs between kernels and with Landlock.</summary>
    private const string Closed = "EACCES|ENOENT|EROFS|ETXTBSY|EPERM";

    /// <summary>Calls that other processors' kernels do not have.</summary>
    private static readonly string[] s_x86 = ["iopl", "ioperm", "modify_ldt", "x32_call", "foreign_entry"];

    /// <summary>By room of the program.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<EscapeCase>> Rooms { get; } = new Dictionary<string, IReadOnlyList<EscapeCase>>(StringComparer.Ordinal)
    {
        ["files"] = FilesCases,
        ["mounts"] = MountsCases,
        ["kernel"] = [.. KernelCases.Where(static c => RuntimeInformation.ProcessArchitecture == Architecture.X64 || !s_x86.Contains(c.Name, StringComparer.Ordinal))],
        ["looser"] = LooserCases,
        ["network"] = NetworkCases,
        ["tasks"] = TasksCases,
        ["greed"] = GreedCases,
    };
}
