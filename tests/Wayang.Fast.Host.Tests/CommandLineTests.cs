using System.CommandLine;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Host.Cli;
using Xunit;

namespace Wayang.Fast.Host.Tests;

public sealed class CommandLineTests
{
    [Fact]
    [Trait("Promise", "TR1")]
    public void A_call_is_file_and_function()
    {
        var task = Read("c", "./a:b.so:count", "--data", "@x", "--class", "urgent", "--priority", "50", "--timeout", "2m", "--profile", "standard");

        Assert.Equal(new TaskArguments("./a:b.so:count", [], "@x", "standard", TaskClass.Urgent, 50, 120_000), task with { Command = [], Life = null, Files = FileArguments.None, GrantedConnections = [] });
        Assert.Empty(task.Command);
    }

    [Fact]
    [Trait("Promise", "TR1")]
    public void A_Python_file_may_have_a_preload_list()
    {
        var task = Read("python", "./a.py:f", "--preload", "json, re", "--preload", "decimal", "--reuse", "never");

        Assert.Equal(("python", "./a.py:f", WorkerReuse.Never), (task.ImageKind, task.Target, task.Reuse));
        Assert.Equal(["json", "re", "decimal"], task.Preload);
    }

    [Fact]
    [Trait("Promise", "TR1")]
    public void A_command_follows_the_double_dash_as_it_stands()
    {
        var task = Read("--timeout", "1500ms", "--", "sh", "-c", "echo --class urgent", "--", "--timeout", "@file");

        Assert.Null(task.Target);
        Assert.Equal(["sh", "-c", "echo --class urgent", "--", "--timeout", "@file"], task.Command);
        Assert.Equal(1_500u, task.TimeoutMs);
    }

    [Theory]
    [InlineData("no task given", "")]
    [InlineData("nothing follows '--'", "--")]
    [InlineData("'x' stands before '--'", "x", "--", "ls")]
    [InlineData("no kind of task", "ls")]
    [InlineData("which function?", "c")]
    [InlineData("is not FILE.so:FUNCTION", "c", "a.so")]
    [InlineData("is not FILE.so:FUNCTION", "c", "a.so:")]
    [InlineData("is not FILE.so:FUNCTION", "c", "a.so:f", "more")]
    [InlineData("is not FILE.py:FUNCTION", "python", "a.py")]
    [InlineData("--preload belongs to Python files", "c", "a.so:f", "--preload", "json")]
    [InlineData("there is no such way", "python", "a.py:f", "--reuse", "sometimes")]
    [InlineData("no such option: '--tiemout'", "--tiemout", "3", "--", "ls")]
    [InlineData("no such class", "--class", "urgnt", "--", "ls")]
    [InlineData("is no time", "--timeout", "soon", "--", "ls")]
    [InlineData("is no time", "--timeout", "0", "--", "ls")]
    [InlineData("is no time", "--timeout", "2000h", "--", "ls")]
    [InlineData("input of a function", "--data", "text", "--", "ls")]
    public void A_wrong_task_is_told_and_how_to_write_it(string words, params string[] arguments)
    {
        var error = Assert.Throws<CommandException>(() => Read([.. arguments.Where(static a => a.Length > 0)]));

        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Remedy);
        Assert.Equal(ExitCodes.Usage, error.ExitCode);
    }

    [Fact]
    public void The_nearest_option_and_class_are_suggested()
    {
        Assert.Contains("--timeout", Assert.Throws<CommandException>(() => Read("--tiemout", "3", "--", "ls")).Remedy, StringComparison.Ordinal);
        Assert.Contains("urgent", Assert.Throws<CommandException>(() => Read("--class", "urgnt", "--", "ls")).Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_command_shows_an_example_and_takes_json_and_socket()
    {
        var root = CommandLineInterface.Build();
        foreach (var command in root.Subcommands.SelectMany(static c => c.Subcommands.Prepend(c)))
        {
            var path = command.Parents.OfType<Command>().Any(p => p is not RootCommand)
                ? new[] { command.Parents.OfType<Command>().First().Name, command.Name }
                : [command.Name];
            using var output = new StringWriter();
            var help = root.Parse([.. path, "--help"]);
            help.Invoke(new InvocationConfiguration { Output = output });

            Assert.Contains("Example", output.ToString(), StringComparison.Ordinal);
            Assert.Contains("--json", output.ToString(), StringComparison.Ordinal);
            Assert.Contains("--socket", output.ToString(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [Trait("Promise", "TR4")]
    [InlineData(TaskState.Succeeded, CauseType.Exit, 0, 0)]
    [InlineData(TaskState.Failed, CauseType.Exit, 7, 7)]
    [InlineData(TaskState.Failed, CauseType.Signal, 11, 139)]
    [InlineData(TaskState.Failed, CauseType.Exception, 0, 1)]
    [InlineData(TaskState.TimedOut, CauseType.Timeout, 0, 124)]
    [InlineData(TaskState.Cancelled, CauseType.Cancelled, 0, 130)]
    [InlineData(TaskState.Failed, CauseType.SandboxViolation, 101, 125)]
    [InlineData(TaskState.Failed, CauseType.OutOfMemory, 0, 125)]
    [InlineData(TaskState.Failed, CauseType.WorkerLost, 0, 125)]
    [InlineData(TaskState.Succeeded, CauseType.None, 0, 0)]
    public void The_exit_code_tells_the_end(TaskState state, CauseType cause, int value, int code) =>
        Assert.Equal(code, ExitCodes.Of(state, new TaskCause(cause, value)));

    private static TaskArguments Read(params string[] arguments)
    {
        var options = new TaskOptions();
        var run = new Command("run");
        options.AddTo(run);
        var root = new RootCommand { run };
        return options.Read(root.Parse(["run", .. arguments], new ParserConfiguration { ResponseFileTokenReplacer = null }));
    }
}
