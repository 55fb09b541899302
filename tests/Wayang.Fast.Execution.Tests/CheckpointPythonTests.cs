using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Ledger;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Python calls that are written into a file in the middle of a loop and go on from there, over a restart of the node, too.</summary>
[Trait("Promise", "PS4")]
public sealed class CheckpointPythonTests : CheckpointFixture
{
    private const string Source = """
        import decimal, hashlib, json, math, re, time
        import wayang

        def integers(data):
            a, b = 0, 1
            for _ in range(int(data) * 40):
                a, b = b, a + b
            return hashlib.sha256(str(a % 10**4000).encode()).hexdigest()

        def churn(data):
            seen, total = {}, 0
            for i in range(int(data) * 600):
                key = (i * 2654435761) % 5003
                seen.setdefault(key, []).append(i)
                if len(seen[key]) > 7:
                    total = (total * 31 + sum(seen.pop(key))) % (2**61 - 1)
            return json.dumps([total, len(seen), sorted(seen)[:5]])

        def numbers(steps):
            state = 1
            for i in range(steps):
                state = (state * 6364136223846793005 + i) % 2**64
                yield state

        def generator(data):
            total = 0
            for value in numbers(int(data) * 1000):
                total ^= value
            return str(total)

        def exceptions(data):
            def dive(depth):
                try:
                    if depth == 0:
                        raise ValueError(0)
                    dive(depth - 1)
                except ValueError as error:
                    raise ValueError(error.args[0] + depth) from error
            total = 0
            for i in range(int(data) * 4):
                try:
                    dive(i % 60)
                except ValueError as error:
                    total += error.args[0]
            return str(total)

        def decimals(data):
            decimal.getcontext().prec = 60
            value = decimal.Decimal(2)
            for i in range(int(data) * 100):
                value = (value * 3 + i).sqrt() + decimal.Decimal(1) / (i + 1)
            return str(value)

        def matches(data):
            found = 0
            for i in range(int(data) * 12):
                found += len(re.findall(r"(a+b?)+c", ("aab" * (i % 12) + "c") * 8))
            return str(found)

        def floats(data):
            value = 0.5
            for i in range(int(data) * 1500):
                value = math.sin(value) * 1.5 + math.sqrt(i + value * value) * 1e-3
            return repr(value)
        """;

    public static TheoryData<string, int> Functions => new()
    {
        { "integers", 8000 }, { "churn", 4000 }, { "generator", 3000 }, { "exceptions", 9000 }, { "decimals", 1500 }, { "matches", 12000 }, { "floats", 2500 },
    };

    [Theory]
    [MemberData(nameof(Functions))]
    public async Task What_is_written_down_in_the_middle_of_a_loop_answers_as_if_nothing_had_been(string function, int size)
    {
        using var node = await StartPythonAsync();
        var target = ResolvePython(node, function);
        var wanted = await node.Submit(target, Input(size)).WaitAsync();
        Assert.True(wanted.State == TaskState.Succeeded, wanted.Cause.ToString());
        var random = new Random(77);
        var (written, refused) = (0, string.Empty);
        for (var i = 0; i < 4; i++)
        {
            var call = node.Submit(target, Input(size));
            await BeginsAsync(node, call);
            for (var again = 0; again < 4; again++)
            {
                await Task.Delay(random.Next(25), TestContext.Current.CancellationToken);
                if (await CheckpointAsync(node, call) is { } why)
                {
                    refused = why.Message;
                }
                else
                {
                    written++;
                    Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
                    await TestNode.UntilAsync(() => call.HasEnded || node.StateOf(call) == TaskState.Running, () => Describe(node, call));
                }
            }

            await EndAsync(node, call);
            Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
            Assert.Equal(Encoding.UTF8.GetString(wanted.Output), Encoding.UTF8.GetString(call.Output));
        }

        Assert.True(written >= 2, $"{written} written; {refused}");
        await AssertCleanAsync(node);
    }

    [Fact]
    [Trait("Promise", "TR4")]
    public async Task A_durable_one_goes_on_after_a_restart()
    {
        byte[] wanted;
        TaskId id;
        using (var ledger = Open())
        using (var node = await StartPythonAsync(ledger))
        {
            var target = ResolvePython(node, "churn");
            wanted = (await node.Submit(target, "6000"u8).WaitAsync()).Output;
            var receipt = new Receipt();
            var submission = new TaskSubmission { Target = target, Data = "6000"u8, Level = 32, Terms = new TaskTerms { Durable = true }, Receipt = receipt };
            Assert.Null(node.Tasks.Submit(submission, null, 0, out _));
            Assert.Null(await receipt.Told.WaitAsync(TestNode.Patience));
            var call = new Ending { Id = receipt.Id };
            await node.RunsAsync(call);
            await Task.Delay(20, TestContext.Current.CancellationToken); // into the loop
            Assert.Null(await CheckpointAsync(node, call));
            id = receipt.Id;
            ledger.Dispose(); // first: what the node still does is not stored, as if it had been killed
            node.Stop();
        }

        using var again = Open();
        using var next = await StartAsync(ledger: again, bare: true);
        var end = new Ending { Id = id };
        Assert.Null(next.Tasks.Wait(id, 0, end, 0));
        await next.Runtime.ResumeTasksAsync(TestContext.Current.CancellationToken).WaitAsync(TestNode.Patience);
        await end.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (end.State, end.Times));
        Assert.Equal(wanted, end.Output);
        await AssertCleanAsync(next);
    }

    private SqliteLedger Open()
    {
        Directory.CreateDirectory(CheckpointDirectory);
        return SqliteLedger.Open(new LedgerOptions(Path.Combine(Directory.CreateDirectory(Path.Combine(CheckpointDirectory, "ledger")).FullName, "ledger.db")), TimeProvider.System);
    }

    private static CallTarget ResolvePython(TestNode node, string function)
    {
        Assert.Null(node.Tasks.Resolve(
            new TargetRequest { Kind = TaskKind.Call, Image = "loops"u8, Function = Encoding.UTF8.GetBytes(function) }, out var target));
        return target!;
    }

    private async Task<TestNode> StartPythonAsync(ITaskLedger? ledger = null)
    {
        var node = await StartAsync(ledger: ledger, bare: true);
        await TestNode.UntilAsync(() => node.Runtime.IsReady);
        var upload = new ImageUpload("python", Encoding.UTF8.GetBytes(Source), "loops", 0) { FileName = "loops.py" };
        var (image, error) = await node.Tasks.PutImageAsync(upload, CancellationToken.None).WaitAsync(TestNode.Patience);
        Assert.True(image is not null, error?.Message);
        return node;
    }
}
