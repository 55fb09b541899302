namespace Wayang.Fast.Architecture.Tests;

/// <summary>Unsafe code and imports live in one project; barriers in one file of each language.</summary>
public sealed class UnsafeTests
{
    private const string Interop = "src/Wayang.Fast.Interop/";

    [Fact]
    public void Unsafe_blocks_are_allowed_only_in_Interop()
    {
        Repository.AssertNone(
            from project in Repository.Files("", ".csproj", ".props", ".targets")
            where !project.StartsWith(Interop, StringComparison.Ordinal)
            where Repository.Read(project).Contains("<AllowUnsafeBlocks>true", StringComparison.OrdinalIgnoreCase)
            select $"{project} allows unsafe blocks");
        Assert.Contains("<AllowUnsafeBlocks>false", Repository.Read("Directory.Build.props"), StringComparison.Ordinal);
    }

    [Fact]
    public void Imports_stand_only_in_Interop()
    {
        string[] words = ["[LibraryImport", "[DllImport", "NativeLibrary.Load", "GetDelegateForFunctionPointer", "delegate* unmanaged"];
        Repository.AssertNone(
            from file in Repository.Files("", ".cs")
            where !file.StartsWith(Interop, StringComparison.Ordinal) && !IsOurs(file)
            from line in Text.CodeLines(Repository.Read(file))
            from word in words
            where line.Text.Contains(word, StringComparison.Ordinal)
            select $"{file}:{line.Number}: {word}");
    }

    [Fact]
    public void All_imports_stand_in_one_file()
    {
        Repository.AssertNone(
            from file in Repository.Files(Interop, ".cs")
            where Path.GetFileName(file) != "NativeMethods.cs"
            from line in Text.CodeLines(Repository.Read(file))
            where line.Text.Contains("[LibraryImport", StringComparison.Ordinal) || line.Text.Contains("[DllImport", StringComparison.Ordinal)
            select $"{file}:{line.Number}: imports belong into NativeMethods.cs");
    }

    [Fact]
    [Trait("Promise", "COM3")]
    public void Fences_stand_in_one_file_of_each_language()
    {
        string[] native = ["atomic_thread_fence", "__sync_synchronize", "__atomic_thread_fence"];
        string[] managed = ["Interlocked.MemoryBarrier", "Thread.MemoryBarrier", "Interlocked.MemoryBarrierProcessWide"];
        Repository.AssertNone(
            (from file in Repository.Files("native", ".c", ".h")
             where file != "native/base/atomics.h"
             from line in Text.CodeLines(Repository.Read(file))
             from word in native
             where Text.HasWord(line.Text, word)
             select $"{file}:{line.Number}: fences belong into native/base/atomics.h")
            .Concat(
             from file in Repository.Files(Interop, ".cs").Concat(Repository.Files("src/Wayang.Fast.Execution", ".cs"))
             where file != Interop + "Barriers.cs" // the rooms that share memory with workers
             from line in Text.CodeLines(Repository.Read(file))
             from word in managed
             where Text.HasWord(line.Text, word)
             select $"{file}:{line.Number}: fences belong into Interop/Barriers.cs"));
    }

    [Fact]
    public void Native_library_code_neither_exits_nor_prints()
    {
        string[] words = ["exit(", "abort(", "printf(", "puts(", "perror(", "vprintf("];
        Repository.AssertNone(
            from file in Repository.Files("native", ".c")
            where Path.GetFileName(file) != "main.c"
            from line in Text.CodeLines(Repository.Read(file))
            from word in words
            where Text.HasWord(line.Text, word)
            select $"{file}:{line.Number}: {word}) in library code: return a status");
    }

    private static bool IsOurs(string file) => file.StartsWith("tests/Wayang.Fast.Architecture.Tests/", StringComparison.Ordinal);
}
