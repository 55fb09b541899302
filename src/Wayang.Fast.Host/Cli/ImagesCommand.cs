using System.CommandLine;
using System.Globalization;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang images</c>: what the node can call; <c>images put</c> stores a plugin under a name.</summary>
internal static class ImagesCommand
{
    private const int ShownDigits = 12;

    private static readonly Argument<string> File = new("FILE") { Description = "A C plugin: a shared object made with wayang_plugin.h." };

    private static readonly Option<string?> Name = new("--name") { Description = "Name to call it by.", HelpName = "NAME" };

    public static Command Build()
    {
        var command = new Command("images", "Lists the images that the node has, with their functions.")
        {
            BuildPut(),
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
        var put = new Command("put", "Stores a C plugin on the node, by content.")
        {
            File, Name,
        };
        DetailedHelp.Describe(
            put,
            """
            Example:
              wayang images put ./text.so --name text
            """);
        put.SetAction(static async (result, cancellation) =>
        {
            var content = await InputReader.ReadFileAsync(result.GetRequiredValue(File), "the plugin", cancellation);
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                var image = await session.Client.PutImageAsync("c", content, result.GetValue(Name), cancellation);
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
                Console.Out.WriteLine(string.Create(
                    CultureInfo.InvariantCulture, $"{name,-20} {image.State,-10} {image.Bytes,10} bytes  {string.Join(' ', image.Functions)}"));
            }
        }

        return ExitCodes.Success;
    }
}
