using System.Globalization;
using System.Text;

using Microsoft.Win32.SafeHandles;

using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Host.Oci;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Host.Configuration;

/// <summary>
/// What a configuration is read of, with the contents of its images, in one sealed memory file: it is made by whoever started the
/// runtime and may read the files, kept by the keeper, and handed to each daemon that it starts.
/// <code>
/// "WYCONF03" | path | text | socket | tokens | certificate and key | authority of callers | count, (name, value)... | count, (index of the image, length, content)...
/// </code>
/// Integers are little-endian, texts UTF-8 behind a length; what reads it takes nothing for granted.
/// </summary>
internal sealed class ConfigurationBundle
{
    private const ulong Magic = 0x3330464E4F435957; // "WYCONF03"
    private const int LongestText = 1 << 20;

    // The keeper refuses a longer one (native/keeper/configuration.c).
    private const long MaxBytes = ImageFiles.MaxTotalBytes + (16 << 20);

    private ConfigurationBundle(NodeConfiguration configuration, IReadOnlyList<LoadedImage> images, string? tokens, TlsTexts? tls)
    {
        Configuration = configuration;
        Images = images;
        TokensText = tokens;
        Tls = tls;
    }

    public NodeConfiguration Configuration { get; }

    public IReadOnlyList<LoadedImage> Images { get; }

    /// <summary>What the file of tokens says; null without TCP.</summary>
    public string? TokensText { get; }

    /// <summary>What the files of <c>tls</c> say; null without.</summary>
    public TlsTexts? Tls { get; }

    /// <summary>Reads all files that the configuration names.</summary>
    /// <exception cref="ConfigurationException">Something is wrong; all of it is told.</exception>
    public static ConfigurationBundle Gather(ConfigurationInput input)
    {
        var configuration = NodeConfiguration.Of(input);
        var problems = new List<ConfigurationProblem>(configuration.Problems);
        var settings = configuration.Settings;
        var store = settings.OciStore.Length > 0 ? settings.OciStore : OciStore.DefaultDirectory(RuntimeDirectories.EffectiveUid);
        // With anything wrong nothing is started, and so nothing unpacked.
        var images = ImageFiles.Read(settings.Images, problems, problems.Count == 0 ? new OciStore(store, settings.OciBounds) : null);
        var tokens = ReadTokens(configuration, problems);
        var tls = ReadTls(configuration, problems);
        return problems.Count == 0 ? new ConfigurationBundle(configuration, images, tokens, tls) : throw new ConfigurationException(problems);
    }

    private static TlsTexts? ReadTls(NodeConfiguration configuration, List<ConfigurationProblem> problems)
    {
        const string key = "tls.certificate_file";
        try
        {
            return configuration.Settings.Tls.ReadFiles();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            problems.Add(new ConfigurationProblem(configuration.SourceOf(ConfigurationKeys.Find(key)!)!.Place, key, fault.Message));
            return null;
        }
    }

    private static string? ReadTokens(NodeConfiguration configuration, List<ConfigurationProblem> problems)
    {
        const string key = "rpc_tcp.tokens_file";
        if (configuration.Settings is not { AsksForTokens: true, RpcTcp.TokensFile: { } file })
        {
            return null;
        }

        try
        {
            var text = TokenFile.ReadText(file);
            TokenFile.Parse(file, text);
            return text;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            var remedy = fault is TokenFileException ? string.Empty : $" Make it with: wayang token create --name NAME --file {file}";
            var place = configuration.SourceOf(ConfigurationKeys.Find(key)!)!.Place;
            problems.Add(new ConfigurationProblem(place, key, fault.Message + remedy));
            return null;
        }
    }

    /// <summary>The descriptor of a sealed memory file; the caller owns it.</summary>
    public int ToDescriptor()
    {
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true))
        {
            var input = Configuration.Input;
            writer.Write(Magic);
            writer.Write(input.Path ?? string.Empty);
            writer.Write(input.Text ?? string.Empty);
            writer.Write(input.Socket ?? string.Empty);
            writer.Write(TokensText ?? string.Empty);
            writer.Write(Tls?.Server ?? string.Empty);
            writer.Write(Tls?.ClientAuthority ?? string.Empty);
            writer.Write(input.Environment.Count);
            foreach (var (name, value) in input.Environment)
            {
                writer.Write(name);
                writer.Write(value);
            }

            writer.Write(Images.Count);
            foreach (var loaded in Images)
            {
                writer.Write(Configuration.Settings.Images.ToList().IndexOf(loaded.Image));
                writer.Write(loaded.Content.Length);
                writer.Write(loaded.Content.Span);
            }
        }

        return Descriptors.CreateSealedMemory("wayang-configuration", stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }

    /// <summary>Reads and closes a descriptor that the keeper handed over.</summary>
    /// <exception cref="ConfigurationException">It holds something else.</exception>
    public static ConfigurationBundle FromDescriptor(int descriptor) => Parse(new SafeFileHandle(descriptor, ownsHandle: true));

    /// <summary>Reads a descriptor of ours, which stays open and where it stands.</summary>
    /// <exception cref="ConfigurationException">It holds something else.</exception>
    public static ConfigurationBundle Copy(int descriptor) => Parse(File.OpenHandle(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{descriptor}")));

    /// <summary>The same with other certificates.</summary>
    public ConfigurationBundle With(TlsTexts tls) => new(Configuration, Images, TokensText, tls);

    private static ConfigurationBundle Parse(SafeFileHandle handle)
    {
        using var owned = handle;
        try
        {
            using var stream = new FileStream(handle, FileAccess.Read, bufferSize: 1);
            using var reader = new BinaryReader(stream, Encoding.UTF8);
            return stream.Length <= MaxBytes && reader.ReadUInt64() == Magic
                ? Read(reader)
                : throw new InvalidDataException("it is too long or something else");
        }
        catch (Exception error) when (error is IOException or InvalidDataException or ArgumentException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"the configuration that the keeper handed over cannot be read: {error.Message}", error);
        }
    }

    private static ConfigurationBundle Read(BinaryReader reader)
    {
        var (path, text, socket, tokens) = (ReadText(reader), ReadText(reader), ReadText(reader), ReadText(reader));
        var (server, authority) = (ReadText(reader), ReadText(reader));
        var environment = new List<(string, string)>();
        for (var left = ReadCount(reader, EnvironmentOverrides.MaxCount); left > 0; left--)
        {
            environment.Add((ReadText(reader), ReadText(reader)));
        }

        var configuration = NodeConfiguration.Of(new ConfigurationInput
        {
            Path = path.Length == 0 ? null : path,
            Text = path.Length == 0 ? null : text,
            Socket = socket.Length == 0 ? null : socket,
            Environment = environment,
        }).OrThrow();
        var known = configuration.Settings.Images;
        var images = new List<LoadedImage>();
        for (var left = ReadCount(reader, ImageSection.MaxImages); left > 0; left--)
        {
            var index = ReadCount(reader, known.Count - 1);
            var content = reader.ReadBytes(ReadCount(reader, ImageFiles.MaxBytes));
            images.Add(new LoadedImage(known[index], content));
        }

        return new ConfigurationBundle(configuration, images, tokens.Length == 0 ? null : tokens,
            server.Length == 0 ? null : new TlsTexts(server, authority.Length == 0 ? null : authority));
    }

    private static string ReadText(BinaryReader reader)
    {
        var length = reader.Read7BitEncodedInt();
        if (length is < 0 or > LongestText)
        {
            throw new InvalidDataException("a text is too long");
        }

        var bytes = reader.ReadBytes(length);
        return bytes.Length == length ? Encoding.UTF8.GetString(bytes) : throw new EndOfStreamException("it is cut off");
    }

    private static int ReadCount(BinaryReader reader, int most)
    {
        var count = reader.ReadInt32();
        return count >= 0 && count <= most ? count : throw new InvalidDataException("a number is out of its range");
    }
}
