using System.Runtime.InteropServices;
using System.Text;

namespace Wayang.Fast.Host.Top;

/// <summary>
/// The terminal's other screen, with plain ANSI sequences. Whatever ends the program, short of a SIGKILL, leaves it and shows the
/// cursor: disposal, a signal, an exception, the end of the process; stopped by Ctrl-Z it is left, and entered again after.
/// </summary>
internal sealed class TerminalScreen : IDisposable
{
    private const string EnterText = "\e[?1049h\e[?25l\e[?7l";
    private const string LeaveText = "\e[?7h\e[?25h\e[?1049l";

    private readonly Stream _output = Console.OpenStandardOutput();
    private readonly Lock _gate = new();
    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly Action _onResize;
    private bool _entered;

    /// <param name="onResize">The size may have changed, or the screen was covered: draw anew. On any thread.</param>
    /// <param name="onEnd">A signal asks for the end. On any thread.</param>
    public TerminalScreen(Action onResize, Action onEnd)
    {
        _onResize = onResize;
        foreach (var signal in (PosixSignal[])[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGQUIT])
        {
            _signals.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                Leave();
                onEnd();
            }));
        }

        if (!OperatingSystem.IsWindows())
        {
            _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => _onResize()));
            _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGTSTP, _ => Leave()));
            _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGCONT, _ =>
            {
                Enter();
                _onResize();
            }));
        }

        AppDomain.CurrentDomain.ProcessExit += OnExit;
        AppDomain.CurrentDomain.UnhandledException += OnExit;
        Enter();
    }

    public static (int Width, int Height) Size => (Math.Max(20, Console.WindowWidth), Math.Max(5, Console.WindowHeight));

    /// <summary>Draws whole lines over what was there: no flicker, nothing scrolls.</summary>
    public void Draw(IReadOnlyList<string> lines, int height)
    {
        var text = new StringBuilder("\e[H");
        for (var i = 0; i < height; i++)
        {
            var line = i < lines.Count ? lines[i] : string.Empty;
            var isHeading = line.Length > 1 && char.IsAsciiLetterUpper(line[0]) && char.IsAsciiLetterUpper(line[1]);
            text.Append(isHeading ? $"\e[7m{line}\e[0m" : line).Append("\e[K").Append(i + 1 < height ? "\r\n" : "");
        }

        text.Append("\e[J");
        lock (_gate)
        {
            if (_entered)
            {
                Write(text.ToString());
            }
        }
    }

    public void Dispose()
    {
        Leave();
        AppDomain.CurrentDomain.ProcessExit -= OnExit;
        AppDomain.CurrentDomain.UnhandledException -= OnExit;
        foreach (var signal in _signals)
        {
            signal.Dispose();
        }

        _output.Dispose();
    }

    private void Enter()
    {
        lock (_gate)
        {
            if (!_entered)
            {
                _entered = true;
                Write(EnterText);
            }
        }
    }

    private void Leave()
    {
        lock (_gate)
        {
            if (_entered)
            {
                _entered = false;
                Write(LeaveText);
            }
        }
    }

    private void OnExit(object? sender, EventArgs e) => Leave();

    private void Write(string text)
    {
        try
        {
            _output.Write(Encoding.UTF8.GetBytes(text));
            _output.Flush();
        }
        catch (IOException)
        {
            // The terminal went away; so does whoever looked at it.
        }
    }
}
