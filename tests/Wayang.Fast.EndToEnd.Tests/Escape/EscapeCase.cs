namespace Wayang.Fast.EndToEnd.Tests.Escape;

/// <summary>One attempt and what has to come of it.</summary>
/// <remarks>
/// An outcome is an errno's name, <c>contained</c> (it went through and reached only what is the task's own, checked by the attempt),
/// <c>violation CALL</c>, <c>signal N</c>, <c>timeout</c>, <c>out_of_memory</c> or <c>cut</c> (its output is over what is kept); several are parted by |; <c>-</c>: it does not apply.
/// Nothing may answer <c>went</c> that does not stand here.
/// </remarks>
/// <param name="Name">As the program knows it.</param>
/// <param name="Compute">Outcome of <see cref="EscapeMode.ComputeCall"/>.</param>
/// <param name="Standard">Outcome of <see cref="EscapeMode.StandardCall"/>.</param>
/// <param name="Command">Outcome of <see cref="EscapeMode.StandardCommand"/>.</param>
internal sealed record EscapeCase(string Name, string Compute, string Standard, string Command)
{
    public EscapeCase(string name, string everywhere)
        : this(name, everywhere, everywhere, everywhere)
    {
    }

    public EscapeCase(string name, string compute, string standard)
        : this(name, compute, standard, standard)
    {
    }

    public string Under(EscapeMode mode) => mode switch
    {
        EscapeMode.ComputeCall => Compute,
        EscapeMode.StandardCall => Standard,
        _ => Command,
    };
}
