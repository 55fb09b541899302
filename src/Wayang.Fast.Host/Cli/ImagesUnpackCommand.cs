using System.CommandLine;

using Wayang.Fast.Host.Configuration;
using Wayang.Fast.Host.Oci;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang images unpack</c>: an image layout on disk becomes a directory that can be a root.</summary>
internal static class ImagesUnpackCommand
{
    private static readonly Argument<string> Layout = new("LAYOUT[:TAG]") { Description = "Directory of an image layout; without a tag its only image, or latest." };

    private static readonly Option<string?> Store = new("--store") { Description = "Where it is unpacked (default: as oci.store of the configuration).", HelpName = "DIR" };

    public static Command Build()
    {
        var command = new Command("unpack", "Unpacks an OCI image layout, every digest compared, and prints the directory.")
        {
            Layout, Store,
        };
        DetailedHelp.Describe(
            command,
            """
            A directory that is there already (the same layers) is printed and left alone.

            Examples:
              skopeo copy docker://docker.io/library/alpine:3.20 oci:/srv/images/alpine:3.20
              wayang images unpack /srv/images/alpine:3.20
            """);
        command.SetAction(static result => Unpack(result.GetRequiredValue(Layout), result.GetValue(Store), result.GetValue(ClientOptions.Json)));
        return command;
    }

    private static int Unpack(string text, string? store, bool json)
    {
        var colon = Directory.Exists(text) ? -1 : text.LastIndexOf(':');
        var directory = Path.GetFullPath(colon < 0 ? text : text[..colon]);
        try
        {
            var layout = new OciLayout(directory);
            var image = layout.Find(colon < 0 ? null : text[(colon + 1)..]);
            var place = new OciStore(Path.GetFullPath(store ?? OciStore.DefaultDirectory(RuntimeDirectories.EffectiveUid)), new OciBounds()).Unpack(layout, image);
            if (json)
            {
                JsonText.Print(writer =>
                {
                    writer.WriteString("root", place);
                    writer.WriteString("tree", image.Chain.ToString());
                    writer.WriteString("cwd", image.WorkingDirectory);
                    writer.WriteString("user", image.User);
                    Write("env", image.Environment);
                    Write("argv", image.Arguments);

                    void Write(string name, IReadOnlyList<string> texts)
                    {
                        writer.WriteStartArray(name);
                        foreach (var one in texts)
                        {
                            writer.WriteStringValue(one);
                        }

                        writer.WriteEndArray();
                    }
                });
                return ExitCodes.Success;
            }

            Console.Out.WriteLine(place);
            if (image.UserNote is { } note)
            {
                Console.Error.WriteLine($"wayang: note: {note}");
            }

            return ExitCodes.Success;
        }
        catch (OciException error)
        {
            throw new CommandException(error.Message, error);
        }
    }
}
