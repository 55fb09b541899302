namespace Wayang.Fast.EndToEnd.Tests.Users;

/// <summary>Something that people get wrong, and what they must be told.</summary>
/// <param name="Title">For the table.</param>
/// <param name="Line">For sh: $W is the program, $S the socket of a runtime that answers; the files of <see cref="Files"/> lie in the working directory.</param>
/// <param name="Code">The exit code.</param>
/// <param name="Told">What the output names: what, where, what to do.</param>
internal sealed record Mistake(string Title, string Line, int Code, params string[] Told)
{
    public bool NeedsPython => Line.Contains(" python ", StringComparison.Ordinal);

    public static IReadOnlyDictionary<string, string> Files { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["hello.py"] = """
            import wayang

            @wayang.json
            def greet(value, ctx):
                return {"hello": value["name"]}

            def plain(data):
                return data.upper()

            def numbers(data):
                return 42

            def lazy(data):
                import wave
                return b""

            def three(a, b, c):
                return b""

            def boom(data):
                raise ValueError("no good")
            """,
        ["syntax.py"] = "def f(:\n    pass\n",
        ["missing.py"] = "import nothere\ndef f(data): return data\n",
        ["raises.py"] = "raise RuntimeError('at import')\n",
        ["empty.py"] = "x = 1\n",
        ["big.py"] = new('#', 2_000_000),
        ["text.so"] = new('x', 100),
        ["typo.yaml"] = "htp_port: 7801\n",
        ["wrong.yaml"] = "limits:\n  queued_tasks: many\n",
    };

    public static IReadOnlyList<Mistake> All { get; } =
    [
        new("a typo in the function", "$W run --socket $S python hello.py:gret --data '{}'", 2, "hello.py", "'gret'", "Did you mean greet?"),
        new("no function", "$W run --socket $S python hello.py", 2, "hello.py", "FILE.py:FUNCTION"),
        new("no such file", "$W run --socket $S python helo.py:plain", 125, "helo.py", "no such file"),
        new("a syntax error", "$W run --socket $S python syntax.py:f", 125, "syntax.py:1:7", "SyntaxError"),
        new("a missing module", "$W run --socket $S python missing.py:f", 125, "missing.py:1", "'nothere'", "apt-get install python3-nothere"),
        new("a module that raises", "$W run --socket $S python raises.py:f", 125, "raises.py:1", "RuntimeError: at import"),
        new("a module without functions", "$W run --socket $S python empty.py:f", 125, "empty.py", "def f(data, ctx)"),
        new("a module that is too big", "$W run --socket $S python big.py:f", 125, "2000000 bytes", "1048576"),
        new("wrong JSON", "$W run --socket $S python hello.py:greet --data '{\"name\":'", 1, "no JSON", "line 1 column 9"),
        new("JSON without a key", "$W run --socket $S python hello.py:greet --data '{}'", 1, "KeyError: 'name'", "hello.py\", line 5"),
        new("a result of the wrong type", "$W run --socket $S python hello.py:numbers --data x", 1, "returned int", "@wayang.json"),
        new("a signature that cannot be called", "$W run --socket $S python hello.py:three --data x", 1, "three(data, ctx)"),
        new("an exception", "$W run --socket $S python hello.py:boom --data x", 1, "ValueError: no good", "hello.py\", line 21"),
        new("an import after the fork", "$W run --socket $S python hello.py:lazy --data x", 1, "No module named 'wave'", "--preload wave"),
        new("a wrong preload", "$W run --socket $S python hello.py:plain --preload jsonn --data x", 125, "'jsonn'"),
        new("no shared library", "$W run --socket $S c text.so:f", 125, "text.so", "no ELF shared library", "wayang_plugin.h"),
        new("a library that is no plugin", "$W run --socket $S c $PLUGINS/../../stage/libwayang.so:f", 125, "not a plugin", "wayang_plugin_init"),
        new("a plugin of another ABI", "$W run --socket $S c $PLUGINS/old_plugin.so:f", 125, "plugin ABI 99"),
        new("an unknown command", "$W rnu -- true", 2, "'rnu'", "did you mean run?"),
        new("an unknown option", "$W run --timeot 5s -- true", 2, "--timeot", "Did you mean --timeout?"),
        new("a timeout that is none", "$W run --timeout soon -- true", 2, "'soon'", "2m"),
        new("an unknown class", "$W run --socket $S --class urgnt -- true", 2, "urgnt", "Did you mean urgent?"),
        new("an unknown profile", "$W run --socket $S --profile standart -- true", 125, "standart", "standard"),
        new("no such input", "$W run --socket $S c $PLUGINS/../../stage/demo/text_plugin.so:top --data @nothere.txt", 125, "nothere.txt", "no such file"),
        new("no daemon", "$W status --socket $PWD/none.sock", 125, "none.sock", "wayang serve"),
        new("a word that is no id", "$W wait --socket $S nonsense", 2, "nonsense", "26"),
        new("an id that nobody has", "$W wait --socket $S 01M8A5RT0Q837VP00004000000", 125, "01M8A5RT0Q837VP00004000000"),
        new("a wrong key in the configuration", "$W serve --config typo.yaml", 2, "typo.yaml:1:1", "did you mean 'http_port'?"),
        new("a wrong value in the configuration", "$W config check wrong.yaml", 1, "wrong.yaml:2:17", "whole number from 1 to 100000000", "'many'"),
        new("no such configuration", "$W serve --config nothere.yaml", 2, "nothere.yaml", "no such file"),
        new("a socket without a directory", "$W serve --socket $PWD/none/w.sock", 125, "none", "mkdir -p"),
        new("no such token", "$W status --endpoint tcp://127.0.0.1:1 --token-file none", 2, "none", "token"),
        new("a full disk behind the output", "$W run --socket $S -- echo hello >/dev/full", 125, "No space left on device", "Make room"),
        new("no such program", "$W run --socket $S -- nosuchprogram", 127, "'nosuchprogram'"),
        new("a command that takes too long", "$W run --socket $S --timeout 300ms -- sleep 30", 124, "timed_out", "300 ms"),
        new("Ctrl-C while it runs", "(while ! $W status --socket $S | grep -q 'running *1'; do :; done; kill -INT $$) & exec $W run --socket $S -- sleep 60", 130, "cancelled"),
    ];
}
