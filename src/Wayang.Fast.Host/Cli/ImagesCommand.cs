using System.CommandLine;
using System.Globalization;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang images</c>: what the node can call; <c>images put</c> stores a plugin or a Python module under a name.</summary>
internal static class ImagesCommand
{
    private const int ShownDigits = 12;

    private static readonly Argument<string> File = new("FILE")
    {
        Description = "A C plugin (FILE.so, made with wayang_plugin.h) or a Python module (FILE.py).",
    };

    private static readonly Option<string?> Kind = new("--kind") { Description = "c or python; by default what the file's name says.", HelpName = "KIND" };

    private static readonly Option<string?> Name = new("--name") { Description = "Name to call it by.", HelpName = "NAME" };

    public static Command Build()
    {
        var command = new Command("images", "Lists the images that the node has, with their functions.")
        {
            BuildPut(),
            ImagesUnpackCommand.Build(),
        };
        DetailedHelp.Describe(
            command,
            """
            Examples:
              wayang images
              wayang images put ./text.so --name text && wayang run c text:count --data hello
            """);
        command.SetAction(ListAsync);
        return command;
    }

    private static Command BuildPut()
    {
        var put = new Command("put", "Stores a C plugin or a Python module on the node, by content.")
        {
            File, Name, Kind, ImageFile.Preload,
        };
        DetailedHelp.Describe(
            put,
            """
            Examples:
              wayang images put ./text.so --name text
              wayang images put ./jobs.py --name jobs --preload decimal,zoneinfo
            """);
        put.SetAction(static async (result, cancellation) =>
        {
            var file = result.GetRequiredValue(File);
            var kind = ReadKind(file, result.GetValue(Kind));
            var preload = ImageFile.ReadPreload(result);
            if (preload.Length > 0 && kind != ImageFile.Python)
            {
                throw new CommandException("--preload belongs to Python modules", $"{file} is of kind {kind}.", ExitCodes.Usage);
            }

            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                var image = await ImageFile.PutAsync(session.Client, file, kind, result.GetValue(Name), preload, cancellation);
                if (result.GetValue(ClientOptions.Json))
                {
                    JsonText.Print(writer =>
                    {
                        writer.WritePropertyName("image");
                        JsonText.WriteImage(writer, image);
                    });
                }
                else
                {
                    Console.Out.WriteLine(image.Image);
                }
            }

            return ExitCodes.Success;
        });
        return put;
    }

    private static string ReadKind(string file, string? given) => (given ?? ImageFile.KindOf(file)) switch
    {
        ImageFile.Plugin => ImageFile.Plugin,
        ImageFile.Python => ImageFile.Python,
        null => throw new CommandException($"{file}: its name does not tell what it is", "Add --kind c or --kind python.", ExitCodes.Usage),
        var other => throw new CommandException($"--kind '{other}': there is no such kind", "There are: c, python.", ExitCodes.Usage),
    };

    private static async Task<int> ListAsync(ParseResult result, CancellationToken cancellation)
    {
        var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
        await using (session)
        {
            var images = await session.Client.ListImagesAsync(cancellation);
            if (result.GetValue(ClientOptions.Json))
            {
                JsonText.Print(writer =>
                {
                    writer.WriteStartArray("images");
                    foreach (var image in images)
                    {
                        JsonText.WriteImage(writer, image);
                    }

                    writer.WriteEndArray();
                });
                return ExitCodes.Success;
            }

            foreach (var image in images)
            {
                var name = image.Name ?? image.Image[..Math.Min(ShownDigits, image.Image.Length)];
                var holds = image.Profile is { } profile ? $"commands under profile {profile}" : string.Join(' ', image.Functions);
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-20} {image.State,-10} {image.Bytes,10} bytes  {holds}"));
            }
        }

        return ExitCodes.Success;
    }
}
