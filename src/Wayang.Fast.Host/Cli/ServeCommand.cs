using System.CommandLine;
using System.Runtime.InteropServices;

using Wayang.Fast.Client;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang serve</c>: starts the keeper and stays until it ends; <c>serve --daemon</c> is what the keeper starts.</summary>
internal static class ServeCommand
{
    private const string RuntimeDirectoryVariable = "WAYANG_RUNTIME_DIR";
    private const string InstanceVariable = "WAYANG_INSTANCE";
    private const string DefaultInstance = "wayang";

    private static readonly Option<string?> Config = new("--config", "-c") { Description = "YAML file of the node.", HelpName = "FILE" };

    private static readonly Option<string?> Policy = new("--policy")
    {
        Description = "Directory of the isolation policy (default: the installation's).", HelpName = "DIR",
    };

    private static readonly Option<bool> AsDaemon = new("--daemon") { Hidden = true };

    private static readonly Option<bool> Private = new("--private") { Hidden = true };

    private static readonly Option<uint?> StarterUid = new("--starter-uid") { Hidden = true };

    public static Command Build()
    {
        var command = new Command("serve", "Starts the runtime of this user and stays until it is stopped (Ctrl-C or SIGTERM: in order).")
        {
            Config, Policy, AsDaemon, Private, StarterUid,
        };
        DetailedHelp.Describe(
            command,
            $"""
            Its socket: /run/wayang/wayang.sock as root, else $XDG_RUNTIME_DIR/wayang/wayang.sock, else
            /tmp/wayang-UID/wayang.sock; for you now: {SocketPaths.Own}

            On SIGHUP it reads its configuration again and applies what can be changed ('wayang config reload').

            The isolation policy is a directory that only root (or you) may write: copy native/policy of the
            installation, add NAME.profile files, and name it with --policy or in WAYANG_POLICY.
            A wrong one is refused with its file and line; see also: wayang doctor --only installation --policy DIR

            Examples:
              wayang serve --config /etc/wayang.yaml
              wayang serve --policy /etc/wayang/policy
            """);
        command.SetAction(static (result, cancellation) =>
            result.GetValue(AsDaemon) ? ServeAsync(result, cancellation) : StartAsync(result, cancellation));
        return command;
    }

    /// <summary>In the foreground: keeper, told to end when we are.</summary>
    private static async Task<int> StartAsync(ParseResult result, CancellationToken cancellation)
    {
        PolicyCheck.Use(result.GetValue(Policy));

        var config = result.GetValue(Config) is { } given ? Path.GetFullPath(given) : null;
        var socket = result.GetValue(ClientOptions.Socket) is { } path ? Path.GetFullPath(path) : null;
        // Read here: a wrong file is told at once, and the daemon's own user may not be able to read it.
        using var source = ServedConfiguration.Read(config, socket);
        RequireDirectory(source.SocketPath);
        var launch = new DaemonLaunch(Installation.Find(), DefaultInstance, RuntimeDirectories.Default, IsPrivate: false, source.SocketPath)
        {
            ConfigurationDescriptor = source.Descriptor,
            Roots = source.Roots,
            SpaceDirectory = source.SpaceDirectory,
        };

        var keeper = KeeperProcess.Start(launch, capture: false);
        await using (keeper)
        {
            using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
            using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, HangUp);
            await using var certificates = source.FollowCertificates(keeper);
            await keeper.WaitForExitAsync(cancellation);
            return keeper.ExitCode;

            void End(PosixSignalContext signal)
            {
                signal.Cancel = true;
                keeper.RequestEnd();
            }

            void HangUp(PosixSignalContext signal)
            {
                signal.Cancel = true;
                if (source.HasLostItsTerminal)
                {
                    keeper.RequestEnd();
                    return;
                }

                source.Reload(keeper);
            }
        }
    }

    // The daemon could say only that it cannot listen; and as another user it could not make the directory.
    private static void RequireDirectory(string? socket)
    {
        if (!SocketPaths.Fits(socket ?? SocketPaths.Own))
        {
            throw new CommandException(
                $"{socket ?? SocketPaths.Own}: longer than the {SocketPaths.MaxBytes} bytes that a socket's path may have",
                socket is null ? "Set XDG_RUNTIME_DIR to a shorter directory, or unset it." : "Give a shorter --socket.");
        }

        if (Path.GetDirectoryName(socket) is { Length: > 0 } directory && directory != RuntimeDirectories.Default && !Directory.Exists(directory))
        {
            throw new CommandException($"{socket}: its directory does not exist", $"Make it: mkdir -p {directory} (or give no socket: {SocketPaths.Own})");
        }
    }

    /// <summary>Under the keeper, which names the directories in the environment (they may lie in its private mounts).</summary>
    private static async Task<int> ServeAsync(ParseResult result, CancellationToken cancellation)
    {
        var daemon = CommandLineInterface.Daemon
            ?? throw new CommandException("this program was built without a daemon", "Install wayang again.");
        var bundle = ServedConfiguration.InheritedDescriptor is { } descriptor
            ? ConfigurationBundle.FromDescriptor(descriptor)
            : ConfigurationBundle.Gather(ConfigurationInput.Gather(result.GetValue(Config)));
        var settings = bundle.Configuration.Settings;
        var directory = Environment.GetEnvironmentVariable(RuntimeDirectoryVariable) is { Length: > 0 } named
            ? named
            : throw new CommandException($"{RuntimeDirectoryVariable} is not set: the daemon runs under its keeper only", "Start it with: wayang serve");
        var installation = Installation.Find();
        var isPrivate = result.GetValue(Private);
        var httpPort = settings.HttpPort ?? ServeOptions.DefaultHttpPort;
        return await daemon(
            new ServeOptions
            {
                SocketPath = result.GetValue(ClientOptions.Socket) ?? settings.SocketPath ?? Path.Combine(directory, RuntimeDirectories.SocketName),
                RuntimeDirectory = directory,
                NativeDirectory = installation.NativeDirectory,
                PolicyDirectory = installation.PolicyDirectory,
                Instance = Environment.GetEnvironmentVariable(InstanceVariable) is { Length: > 0 } instance ? instance : DefaultInstance,
                IsPrivate = isPrivate,
                StarterUid = result.GetValue(StarterUid) ?? SocketPaths.EffectiveUser(),
                HttpPort = isPrivate || httpPort == 0 ? null : httpPort,
                ConfigurationFile = bundle.Configuration.Input.Path,
                Settings = settings with
                {
                    Runtime = settings.Runtime with { ProfileMemoryBytes = PolicyMemory.Read(installation.PolicyDirectory) },
                    RpcTcp = isPrivate ? new RpcTcpSettings() : settings.RpcTcp,
                    Grpc = isPrivate ? new DoorSettings() : settings.Grpc,
                    Rest = isPrivate ? new DoorSettings() : settings.Rest,
                },
                Images = bundle.Images,
                TokensText = bundle.TokensText,
                Tls = isPrivate ? null : bundle.Tls,
            },
            cancellation);
    }
}
