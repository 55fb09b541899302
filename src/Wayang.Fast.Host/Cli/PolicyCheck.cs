using Wayang.Fast.Host.Configuration;
using Wayang.Fast.Host.Doctor;

namespace Wayang.Fast.Host.Cli;

/// <summary>An operator's own policy: a wrong one is told before anything is started, and not by a spawner that is restarted again and again.</summary>
internal static class PolicyCheck
{
    /// <summary>
    /// Makes the directory the policy of all that this process starts (by <see cref="Installation.PolicyVariable"/>, which may name one
    /// already). The installation's own is not read again.
    /// </summary>
    /// <exception cref="CommandException">The policy cannot be used; the message is the native loader's.</exception>
    public static void Use(string? directory)
    {
        if (directory is not null)
        {
            Environment.SetEnvironmentVariable(Installation.PolicyVariable, Path.GetFullPath(directory));
        }
        else if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(Installation.PolicyVariable)))
        {
            return;
        }

        var installation = Installation.Find();
        if (ProbeProgram.ReadPolicy(installation.NativeDirectory, installation.PolicyDirectory).Fault is { } fault)
        {
            throw new CommandException(
                $"the policy in {installation.PolicyDirectory} is not valid: {fault}",
                $"Correct that file, or give another directory: wayang serve --policy DIR (or {Installation.PolicyVariable}=DIR)");
        }
    }
}
