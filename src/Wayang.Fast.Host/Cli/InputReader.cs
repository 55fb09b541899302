namespace Wayang.Fast.Host.Cli;

/// <summary>Reads a task's input: from the command line, a file or standard input, never more than the node takes.</summary>
internal static class InputReader
{
    /// <summary>The largest payload that a node accepts by default; a larger one is refused before it is read whole.</summary>
    public const int MaxBytes = 64 << 20;

    /// <summary>TEXT, @FILE (@@TEXT for a text that begins with an @), or - for standard input.</summary>
    public static async Task<byte[]> ReadArgumentAsync(string argument, CancellationToken cancellation)
    {
        if (string.Equals(argument, "-", StringComparison.Ordinal))
        {
            var input = Console.OpenStandardInput();
            await using (input)
            {
                return await ReadBoundedAsync(input, "standard input", cancellation);
            }
        }

        if (argument.StartsWith("@@", StringComparison.Ordinal))
        {
            return System.Text.Encoding.UTF8.GetBytes(argument[1..]);
        }

        return argument.StartsWith('@')
            ? await ReadFileAsync(argument[1..], "--data @FILE", cancellation)
            : System.Text.Encoding.UTF8.GetBytes(argument);
    }

    /// <summary>Standard input when something is piped in, nothing when it is a terminal.</summary>
    public static async Task<byte[]> ReadPipedAsync(CancellationToken cancellation)
    {
        if (!Console.IsInputRedirected)
        {
            return [];
        }

        var input = Console.OpenStandardInput();
        await using (input)
        {
            return await ReadBoundedAsync(input, "standard input", cancellation);
        }
    }

    public static async Task<byte[]> ReadFileAsync(string path, string usedBy, CancellationToken cancellation)
    {
        try
        {
            var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            await using (file)
            {
                return await ReadBoundedAsync(file, path, cancellation);
            }
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CommandException($"{path}: no such file ({usedBy})", NearFiles(path));
        }
        catch (UnauthorizedAccessException)
        {
            throw new CommandException($"{path}: not readable, or a directory ({usedBy})", "Give a readable file.");
        }
    }

    private static async Task<byte[]> ReadBoundedAsync(Stream input, string name, CancellationToken cancellation)
    {
        using var kept = new MemoryStream();
        var buffer = new byte[64 * 1024];
        int read;
        while ((read = await input.ReadAsync(buffer, cancellation)) > 0)
        {
            if (kept.Length + read > MaxBytes)
            {
                throw new CommandException($"{name}: larger than {MaxBytes} bytes, the most that a task takes", "Split the input.");
            }

            kept.Write(buffer, 0, read);
        }

        return kept.ToArray();
    }

    private static string NearFiles(string path)
    {
        var directory = Path.GetDirectoryName(Path.GetFullPath(path));
        if (directory is null || !Directory.Exists(directory))
        {
            return $"The directory {directory} does not exist.";
        }

        const int fewEnough = 1_000;
        var names = Directory.EnumerateFiles(directory).Take(fewEnough).Select(static f => Path.GetFileName(f));
        var nearest = Contracts.Operations.NearestName.Of(Path.GetFileName(path), names);
        return nearest is null ? $"Nothing of a similar name lies in {directory}." : $"Did you mean {Path.Combine(Path.GetDirectoryName(path) ?? "", nearest)}?";
    }
}
