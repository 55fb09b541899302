using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Cli;

/// <summary>Reads the files, secrets and variables that the command line names into a task.</summary>
internal static class FileReader
{
    private const string FromVariable = "env:";
    private const int ExecutableMode = 0x1ED; // 0755

    public static async Task<TaskSpec> AddAsync(TaskSpec spec, FileArguments files, CancellationToken cancellation)
    {
        var inputs = new List<TaskInput>();
        foreach (var input in files.Inputs)
        {
            await ReadInputAsync(input, inputs, cancellation);
        }

        return spec with
        {
            Inputs = inputs,
            Secrets = files.Secrets.Count == 0 ? null : await ReadSecretsAsync(files.Secrets, cancellation),
            Environment = files.Environment.Count == 0 ? null : ReadEnvironment(files.Environment),
            WorkingDirectory = files.WorkingDirectory,
            Artifacts = files.Collect ? new ArtifactLimits() : null,
        };
    }

    private static async Task ReadInputAsync(string input, List<TaskInput> into, CancellationToken cancellation)
    {
        var (path, name) = (input, (string?)null);
        if (!File.Exists(input) && !Directory.Exists(input) && input.LastIndexOf(':') is var colon and > 0)
        {
            (path, name) = (input[..colon], input[(colon + 1)..]);
        }

        name ??= Path.GetFileName(Path.GetFullPath(path).TrimEnd('/'));
        if (File.Exists(path))
        {
            into.Add(await ReadFileAsync(path, name, cancellation));
            return;
        }

        if (!Directory.Exists(path))
        {
            throw new CommandException($"--input {input}: there is no file or directory {path}", "Write FILE, or FILE:NAME for another name inside.", ExitCodes.Usage);
        }

        // "." stands for the working directory itself.
        var prefix = name.Length == 0 || name == "." ? "" : name + "/";
        foreach (var file in Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            into.Add(await ReadFileAsync(file, prefix + Path.GetRelativePath(path, file), cancellation));
        }
    }

    private static async Task<TaskInput> ReadFileAsync(string path, string name, CancellationToken cancellation)
    {
#pragma warning disable CA1416 // This program runs on Linux alone.
        var mode = File.GetUnixFileMode(path).HasFlag(UnixFileMode.UserExecute) ? ExecutableMode : (int?)null;
#pragma warning restore CA1416
        if (new FileInfo(path).Length > OperationTable.MaxPayloadBytes)
        {
            throw new CommandException($"--input {path}: over the {OperationTable.MaxPayloadBytes} bytes that a task may take with it", "Split it, or pipe it in.", ExitCodes.Usage);
        }

        return new TaskInput(name, await File.ReadAllBytesAsync(path, cancellation), mode);
    }

    private static async Task<IReadOnlyDictionary<string, ReadOnlyMemory<byte>>> ReadSecretsAsync(IReadOnlyList<string> texts, CancellationToken cancellation)
    {
        var secrets = new Dictionary<string, ReadOnlyMemory<byte>>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            var name = equals > 0 ? text[..equals] : "NAME";
            var source = equals > 0 ? text[(equals + 1)..] : "";
            if (source.Length > 1 && source[0] == '@')
            {
                secrets[name] = await File.ReadAllBytesAsync(source[1..], cancellation);
            }
            else if (source.StartsWith(FromVariable, StringComparison.Ordinal))
            {
                var variable = source[FromVariable.Length..];
                secrets[name] = System.Text.Encoding.UTF8.GetBytes(Environment.GetEnvironmentVariable(variable)
                    ?? throw new CommandException($"--secret {name}: there is no variable {variable}", "Export it, or name a file: NAME=@FILE.", ExitCodes.Usage));
            }
            else
            {
                // What was written is not repeated: it may be the secret.
                throw new CommandException(
                    $"--secret {name}: its value comes from a file or a variable",
                    $"Write --secret {name}=@FILE or --secret {name}=env:VARIABLE. On a command line everybody could read it.",
                    ExitCodes.Usage);
            }
        }

        return secrets;
    }

    private static Dictionary<string, string> ReadEnvironment(IReadOnlyList<string> texts)
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw new CommandException($"--env '{text}' is not NAME=VALUE", "Write: --env NAME=VALUE", ExitCodes.Usage);
            }

            variables[text[..equals]] = text[(equals + 1)..];
        }

        return variables;
    }
}
