using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

using Wayang.Fast.Client;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Cli;

/// <summary>
/// <c>wayang config reload</c>: finds the <c>wayang serve</c> behind a socket, checks what it would read, and sends it SIGHUP. A signal and no
/// operation of the node: the files may be readable for whoever started the runtime only, and that is who reads them.
/// </summary>
internal static class ConfigReload
{
    private const string Counter = "configuration_reloads";
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    public static Command Build()
    {
        var reload = new Command("reload", "Lets the running 'wayang serve' read its configuration again and apply what changed.");
        reload.SetAction(static (result, cancellation) => ReloadAsync(result, cancellation));
        return DetailedHelp.Describe(
            reload,
            """
            The file is checked first; a wrong one changes nothing. The log of 'wayang serve' says what changed from what to what,
            and which keys need a restart. The same by hand: kill -HUP PID.

            Exit codes: 0 applied; 1 the configuration is wrong, nothing was changed.

            Example:
              wayang config reload
            """);
    }

    private static async Task<int> ReloadAsync(ParseResult result, CancellationToken cancellation)
    {
        var socket = result.GetValue(ClientOptions.Socket) ?? SocketPaths.Find();
        var session = await RuntimeSession.ConnectAsync(socket, cancellation);
        await using (session)
        {
            var before = await ReadCounterAsync(session.Client, cancellation);
            var serve = FindServe(await FindDaemonAsync(socket, cancellation));
            var problems = Check(serve);
            if (problems.Count > 0)
            {
                problems.ForEach(static p => Console.Error.WriteLine($"wayang: {p}"));
                Console.Error.WriteLine("        Nothing was changed.");
                return 1;
            }

            SendHangUp(serve);
            var start = Stopwatch.GetTimestamp();
            while (await ReadCounterAsync(session.Client, cancellation) == before)
            {
                if (Stopwatch.GetElapsedTime(start) > Patience)
                {
                    throw new CommandException($"wayang serve (pid {serve}) did not reload within {Patience.TotalSeconds:0} s", "Its log says why.");
                }

                await Task.Delay(Pause, cancellation);
            }

            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"reloaded; the log of wayang serve (pid {serve}) says what changed"));
            return ExitCodes.Success;
        }
    }

    private static async Task<long> ReadCounterAsync(WayangClient client, CancellationToken cancellation) =>
        (await client.NodeStatsAsync(cancellation)).GetValueOrDefault(Counter);

    /// <summary>Who listens, from the kernel.</summary>
    private static async Task<int> FindDaemonAsync(string path, CancellationToken cancellation)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
        var credentials = new byte[3 * sizeof(int)];
        socket.GetRawSocketOption(SolSocket, SoPeerCred, credentials);
        return BitConverter.ToInt32(credentials);
    }

    /// <summary>The daemon's parent is the keeper, whose parent is <c>wayang serve</c>.</summary>
    private static int FindServe(int daemon)
    {
        var keeper = ParentOf(daemon);
        var serve = ParentOf(keeper);
        var words = ReadWords(serve, "cmdline");
        return words.Contains("serve", StringComparer.Ordinal)
            ? serve
            : throw new CommandException(
                $"the runtime (daemon {daemon}) was not started by a wayang serve that is still there", "Start it with: wayang serve --config FILE");
    }

    /// <summary>What it would read: the file that it was given and its environment, as far as this user may look.</summary>
    private static List<ConfigurationProblem> Check(int serve)
    {
        var words = ReadWords(serve, "cmdline");
        var at = words.FindIndex(static w => w is "--config" or "-c");
        var given = at >= 0 && at + 1 < words.Count ? words[at + 1]
            : words.Find(static w => w.StartsWith("--config=", StringComparison.Ordinal))?["--config=".Length..];
        if (given is null)
        {
            throw new CommandException($"wayang serve (pid {serve}) was started without --config: there is nothing to read again", "Start it with: wayang serve --config FILE");
        }

        var directory = new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/{serve}/cwd")).ResolveLinkTarget(returnFinalTarget: false)?.FullName ?? "/";
        var problems = new List<ConfigurationProblem>();
        try
        {
            var variables = ReadWords(serve, "environ").Select(static v => v.Split('=', 2)).Where(static v => v.Length == 2)
                .DistinctBy(static v => v[0], StringComparer.Ordinal).ToDictionary(static v => v[0], static v => v[1], StringComparer.Ordinal);
            var path = Path.GetFullPath(given, directory);
            var configuration = NodeConfiguration.Of(new ConfigurationInput
            {
                Path = path,
                Text = ConfigurationFile.ReadText(path),
                Environment = EnvironmentOverrides.Of(variables),
            });
            problems.AddRange(configuration.Problems);
            ImageFiles.Read(configuration.Settings.Images, problems);
        }
        catch (ConfigurationException error)
        {
            problems.AddRange(error.Problems);
        }

        return problems;
    }

    private static void SendHangUp(int pid)
    {
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh")
        {
            ArgumentList = { "-c", "kill -HUP \"$1\"", "sh", pid.ToString(CultureInfo.InvariantCulture) },
        }) ?? throw new CommandException("/bin/sh did not start");
        shell.WaitForExit();
        if (shell.ExitCode != 0)
        {
            throw new CommandException($"wayang serve (pid {pid}) cannot be signalled", "Run this as whoever started it, or as root.");
        }
    }

    private static int ParentOf(int pid)
    {
        var stat = Read(pid, "stat");
        var fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return int.Parse(fields[1], CultureInfo.InvariantCulture);
    }

    private static List<string> ReadWords(int pid, string file) => [.. Read(pid, file).Split('\0', StringSplitOptions.RemoveEmptyEntries)];

    private static string Read(int pid, string file)
    {
        try
        {
            return File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/{file}"), Encoding.UTF8);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"the processes of the runtime cannot be looked at: {error.Message}", "Run this as whoever started it, or as root.");
        }
    }
}
