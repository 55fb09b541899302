using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Demo;

/// <summary>One kind of work of the demo: how a file becomes a task, and how its answer is checked.</summary>
/// <param name="Name">Shown in the table.</param>
/// <param name="Make">The task for a file's content.</param>
/// <param name="Check">Compares an answer with an independent computation.</param>
internal sealed record DemoJob(string Name, Func<byte[], TaskSpec> Make, Func<byte[], TaskResult, bool> Check)
{
    // Urgent tasks overtake idle ones in the queue; all get done.
    private static readonly TaskClass[] Classes = [TaskClass.Normal, TaskClass.Urgent, TaskClass.Batch, TaskClass.Idle];

    public TaskKind Kind { get; init; } = TaskKind.Call;

    /// <summary>The task for a file, of the class whose turn it is.</summary>
    public TaskSpec TaskFor(CorpusFile file, int turn) => Make(file.Content) with { Class = Classes[turn % Classes.Length] };

    public bool IsRight(CorpusFile file, TaskResult result) => result.Succeeded && Check(file.Content, result);

    public static IReadOnlyList<DemoJob> Calls(string textImage) =>
    [
        Call(textImage, "count", Expectation.Count),
        Call(textImage, "hash", Expectation.Hash),
        Call(textImage, "top", Expectation.Top),
    ];

    public static IReadOnlyList<DemoJob> Commands { get; } =
    [
        Command("sha256sum", Expectation.Sha256Sum, "sha256sum"),
        Command("gzip", Expectation.Gzip, "gzip", "-c"),
    ];

    private delegate bool Comparison(byte[] content, ReadOnlySpan<byte> answer);

    private static DemoJob Call(string image, string function, Comparison compare) => new(
        "call " + function,
        content => TaskSpec.Call(image, function, content),
        (content, result) => compare(content, result.Output.Span));

    private static DemoJob Command(string name, Comparison compare, params string[] arguments) => new(
        "exec " + name,
        content => TaskSpec.Command(arguments) with { Stdin = content },
        (content, result) => compare(content, result.Stdout.Span))
    {
        Kind = TaskKind.Exec,
    };
}
