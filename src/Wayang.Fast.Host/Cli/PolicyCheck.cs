using Wayang.Fast.Host.Configuration;
using Wayang.Fast.Host.Doctor;

namespace Wayang.Fast.Host.Cli;

/// <summary>A wrong policy is told before anything is started, and not by a spawner that is restarted again and again.</summary>
internal static class PolicyCheck
{
    /// <exception cref="CommandException">The policy cannot be used; the message is the native loader's.</exception>
    public static void Require(Installation installation, string directory)
    {
        if (!File.Exists(ProbeProgram.PathIn(installation.NativeDirectory)))
        {
            return; // the spawner reads it again anyway
        }

        var policy = ProbeProgram.ReadPolicy(installation.NativeDirectory, directory);
        if (policy.Fault is { } fault)
        {
            throw new CommandException($"the policy in {directory} is not valid: {fault}", $"Correct that file, or give another directory: wayang serve --policy DIR (or {Installation.PolicyVariable}=DIR)");
        }
    }
}
