using System.Text.RegularExpressions;

namespace Wayang.Fast.Architecture.Tests;

/// <summary>The managed imports mirror the C header: same functions, same order, same parameters.</summary>
public sealed partial class ImportTests
{
    private const string Header = "native/include/wayang.h";
    private const string Imports = "src/Wayang.Fast.Interop/NativeMethods.cs";

    [Fact]
    public void Imports_are_the_functions_of_the_header_in_its_order()
    {
        var header = Prototypes().Select(function => function.Name).ToList();
        var imports = Imported().Select(function => function.Name).ToList();
        Assert.NotEmpty(header);
        Repository.AssertNone(
            header.Except(imports, StringComparer.Ordinal).Select(name => $"{name} is in {Header} but not in {Imports}")
                .Concat(imports.Except(header, StringComparer.Ordinal).Select(name => $"{name} is in {Imports} but not in {Header}")));
        Assert.Equal(header, imports);
    }

    [Fact]
    public void Imports_have_the_parameters_of_the_header()
    {
        var imports = Imported().ToDictionary(function => function.Name, StringComparer.Ordinal);
        Repository.AssertNone(
            from prototype in Prototypes()
            where imports.ContainsKey(prototype.Name)
            let import = imports[prototype.Name]
            where import.Parameters.Count != prototype.Parameters.Count
            select $"{prototype.Name}: {prototype.Parameters.Count} parameter(s) in C, {import.Parameters.Count} in C#");
    }

    [Fact]
    public void Imports_have_the_types_of_the_header()
    {
        var imports = Imported().ToDictionary(function => function.Name, StringComparer.Ordinal);
        Repository.AssertNone(
            from prototype in Prototypes()
            where imports.ContainsKey(prototype.Name)
            let import = imports[prototype.Name]
            from pair in prototype.Parameters.Prepend(prototype.Returns).Zip(import.Parameters.Prepend(import.Returns))
            let expected = ManagedType(pair.First)
            where expected is not null && !Matches(expected, pair.Second)
            select $"{prototype.Name}: '{pair.First}' in C is {expected} in C#, not '{pair.Second}'");
    }

    private static IReadOnlyList<Function> Prototypes() =>
        [.. from Match match in Prototype().Matches(Text.WithoutComments(Repository.Read(Header)))
            where !match.Value.TrimStart().StartsWith("typedef", StringComparison.Ordinal)
            select new Function(
                match.Groups["name"].Value,
                match.Groups["returns"].Value.Replace("WAYANG_API", "", StringComparison.Ordinal).Trim(),
                Parameters(match.Groups["parameters"].Value))];

    private static IReadOnlyList<Function> Imported() =>
        [.. from Match match in Import().Matches(Text.WithoutComments(Repository.Read(Imports)))
            let entry = match.Groups["entry"].Value
            select new Function(
                entry.Length > 0 ? entry : match.Groups["name"].Value,
                match.Groups["returns"].Value.Trim(),
                Parameters(match.Groups["parameters"].Value))];

    private static IReadOnlyList<string> Parameters(string list)
    {
        var parameters = list.Split(',').Select(parameter => Blanks().Replace(parameter, " ").Trim()).Where(parameter => parameter.Length > 0).ToList();
        return parameters is ["void"] ? [] : parameters;
    }

    /// <summary>The C# type of a C parameter; null where C# is free to choose (structs have names of their own).</summary>
    private static string? ManagedType(string parameter)
    {
        if (parameter.Contains('*', StringComparison.Ordinal) || parameter.Contains('[', StringComparison.Ordinal))
        {
            return "pointer";
        }

        return parameter.Replace("const ", "", StringComparison.Ordinal).Split(' ')[0] switch
        {
            "int32_t" or "int" => "int",
            "uint32_t" => "uint",
            "int64_t" => "long",
            "uint64_t" => "ulong",
            "uint16_t" => "ushort",
            "uint8_t" => "byte",
            "void" => "void",
            _ => null,
        };
    }

    private static bool Matches(string expected, string actual)
    {
        if (expected != "pointer")
        {
            return actual.Split(' ')[0] == expected;
        }

        string[] passedByReference = ["*", "nint", "ref ", "out ", "in ", "string", "Span<", "[]", "SafeHandle"];
        return passedByReference.Any(form => actual.Contains(form, StringComparison.Ordinal));
    }

    private sealed record Function(string Name, string Returns, IReadOnlyList<string> Parameters);

    [GeneratedRegex(@"^(?<returns>(?:WAYANG_API\s+)?[A-Za-z_][\w \t]*?[\s\*]+)(?<name>wayang_\w+)\s*\((?<parameters>[^()]*)\)\s*;", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex Prototype();

    [GeneratedRegex(@"\[LibraryImport\(\s*[\w.""]+\s*(?:,[^\]]*?EntryPoint\s*=\s*""(?<entry>\w+)"")?[^\]]*\)\](?:\s*\[[^\]]*\])*\s*(?:internal|private|public)\s+static\s+(?:unsafe\s+)?partial\s+(?<returns>[\w*]+)\s+(?<name>\w+)\s*\((?<parameters>[^()]*)\)", RegexOptions.ExplicitCapture)]
    private static partial Regex Import();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
