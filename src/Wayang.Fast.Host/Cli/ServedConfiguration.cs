using System.Globalization;

using Wayang.Fast.Host.Configuration;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Host.Cli;

/// <summary>
/// The configuration of a <c>wayang serve</c>, on the side that may read its files: read at the start and again on SIGHUP, and handed to the
/// keeper as a sealed memory file.
/// </summary>
internal sealed class ServedConfiguration : IDisposable
{
    private const string DescriptorVariable = "WAYANG_CONFIGURATION_FD";
    private static readonly TimeSpan CertificatePeriod = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
    private readonly string? file;
    private readonly string? socket;
    private readonly bool hadTerminal = HasTerminal();
    private HashSet<string> told = [];
    private int before = -1;
    private TlsSettings settings = new();
    private CertificateWatch? watch;

    private ServedConfiguration(string? file, string? socket)
    {
        this.file = file;
        this.socket = socket;
    }

    /// <summary>In the daemon: what the keeper left us; null outside a keeper that has a configuration.</summary>
    public static int? InheritedDescriptor =>
        int.TryParse(Environment.GetEnvironmentVariable(DescriptorVariable), NumberStyles.None, CultureInfo.InvariantCulture, out var fd) ? fd : null;

    /// <summary>The present configuration.</summary>
    public int Descriptor { get; private set; } = -1;

    /// <summary>Null: in the runtime directory.</summary>
    public string? SocketPath { get; private set; }

    /// <summary>Directories that the spawner lends as roots, by the names of their images. Those of the start: a running spawner learns of no other.</summary>
    public IReadOnlyList<(string Name, string Directory)> Roots { get; private set; } = [];

    /// <summary>Where the spawner makes writable space of tasks on the disk, as it was at the start; null: nowhere.</summary>
    public string? SpaceDirectory { get; private set; }

    /// <summary>SIGHUP of a terminal that was closed ends a runtime in its foreground, as it always did.</summary>
    public bool HasLostItsTerminal => hadTerminal && !HasTerminal();

    /// <exception cref="ConfigurationException">Something is wrong; all of it is told.</exception>
    public static ServedConfiguration Read(string? file, string? socket)
    {
        var served = new ServedConfiguration(file, socket);
        var bundle = served.Gather();
        served.Descriptor = bundle.ToDescriptor();
        served.settings = bundle.Configuration.Settings.Tls;
        served.Roots = [.. bundle.Images.Where(static i => i.Root is not null).Select(static i => (i.Image.Name, i.Root!))];
        served.SpaceDirectory = DiskDirectory.Of(bundle.Configuration.Settings);
        served.SocketPath = bundle.Configuration.Settings.SocketPath;
        return served;
    }

    /// <summary>Reads everything again; what is wrong changes nothing and is told.</summary>
    public void Reload(KeeperProcess keeper)
    {
        lock (gate)
        {
            if (file is null)
            {
                Tell("warning", "reload: there is nothing to read again: started without --config");
                return;
            }

            try
            {
                Send(Gather(), keeper);
            }
            catch (Exception error) when (error is ConfigurationException or NativeException or IOException)
            {
                Tell("warning", $"reload refused, nothing was changed:{Environment.NewLine}{error.Message}");
            }
        }
    }

    /// <summary>Takes later certificates up as their files change: only them, whatever else of the configuration has changed meanwhile.</summary>
    /// <returns>Stops it when it is disposed of; null: there are none.</returns>
    public ITimer? FollowCertificates(KeeperProcess keeper)
    {
        if (settings.CertificateFile is null)
        {
            return null;
        }

        watch = new CertificateWatch(settings);
        return TimeProvider.System.CreateTimer(_ => LookAtCertificates(keeper), state: null, CertificatePeriod, CertificatePeriod);
    }

    private void LookAtCertificates(KeeperProcess keeper)
    {
        lock (gate)
        {
            try
            {
                var (texts, problem) = watch!.Look(settings);
                if (problem is not null)
                {
                    Tell("warning", $"the certificates changed, and are not taken up: {problem} The former stay in force.");
                }

                if (texts is not null)
                {
                    Send(ConfigurationBundle.Copy(Descriptor).With(texts), keeper);
                    Tell("info", $"the certificates of {settings.CertificateFile} changed: they are taken up");
                }
            }
            catch (Exception error) when (error is ConfigurationException or NativeException or IOException or ObjectDisposedException)
            {
                Tell("warning", $"the certificates changed, and could not be handed over: {error.Message}");
            }
        }
    }

    /// <summary>The one that it replaces may still be opened by the keeper, if two come at once; the one before not.</summary>
    private void Send(ConfigurationBundle bundle, KeeperProcess keeper)
    {
        var next = bundle.ToDescriptor();
        keeper.SendConfiguration(next);
        Descriptors.Close(before);
        (before, Descriptor) = (Descriptor, next);
        settings = bundle.Configuration.Settings.Tls;
    }

    public void Dispose()
    {
        Descriptors.Close(before);
        Descriptors.Close(Descriptor);
    }

    private ConfigurationBundle Gather()
    {
        var bundle = ConfigurationBundle.Gather(ConfigurationInput.Gather(file, socket));
        var notices = bundle.Configuration.Notices;
        foreach (var notice in notices.Where(n => !told.Contains(n.Key)))
        {
            Tell("info", notice.ToString());
        }

        told = [.. notices.Select(static n => n.Key)];
        return bundle;
    }

    private static bool HasTerminal()
    {
        try
        {
            using var terminal = File.OpenHandle("/dev/tty");
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static void Tell(string level, string message) => Console.Error.WriteLine($"wayang: {level}: {message}");
}
