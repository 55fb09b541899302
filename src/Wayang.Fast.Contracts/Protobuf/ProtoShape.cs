using System.Collections.Frozen;
using System.Text;

namespace Wayang.Fast.Contracts.Protobuf;

/// <summary>What a value of a message is, as far as its encoding goes.</summary>
public enum ProtoKind : byte
{
    Text = 0,
    Bytes,
    Integer,
    Flag,
    Message,
}

/// <summary>One field of a message.</summary>
/// <param name="Name">As in the table of operations.</param>
/// <param name="Number">As on the wire.</param>
/// <param name="Kind">Of the value; of each, if there are many.</param>
/// <param name="Message">Its shape, if it is a message.</param>
public sealed record ProtoField(string Name, int Number, ProtoKind Kind, ProtoShape? Message)
{
    private readonly byte[] _utf8Name = Encoding.UTF8.GetBytes(Name);

    public ReadOnlySpan<byte> Utf8Name => _utf8Name;

    /// <summary>A list.</summary>
    public bool IsRepeated { get; init; }

    /// <summary>A map of text to values.</summary>
    public bool IsMap { get; init; }

    /// <summary>How a value of it is encoded: a number, or bytes behind their length.</summary>
    public bool IsVarint => !IsMap && Kind is ProtoKind.Integer or ProtoKind.Flag;
}

/// <summary>
/// What a message looks like on the wire, made once of its descriptor (Proto/ProtoShapes.cs, compiled by who generates the descriptors). Requests and replies are translated by it, without a generated
/// type in between: a field that the proto file has is a key of the map, by the same name.
/// </summary>
public sealed class ProtoShape
{
    private readonly ProtoField?[] _byNumber;
    private readonly FrozenDictionary<string, ProtoField>.AlternateLookup<ReadOnlySpan<char>> _byName;

    public ProtoShape(string name, IReadOnlyList<ProtoField> fields)
    {
        ArgumentNullException.ThrowIfNull(fields);
        Name = name;
        Fields = fields;
        _byNumber = new ProtoField?[fields.Select(static f => f.Number).DefaultIfEmpty().Max() + 1];
        foreach (var field in fields)
        {
            _byNumber[field.Number] = field;
        }

        _byName = fields.ToFrozenDictionary(static f => f.Name, StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public string Name { get; }

    public IReadOnlyList<ProtoField> Fields { get; }

    /// <summary>Numbers of fields are below that.</summary>
    public int Numbers => _byNumber.Length;

    /// <summary>Null: there is no such field.</summary>
    public ProtoField? Find(int number) => (uint)number < (uint)_byNumber.Length ? _byNumber[number] : null;

    /// <summary>Null: there is no such field.</summary>
    public ProtoField? Find(ReadOnlySpan<byte> utf8)
    {
        const int Longest = 64;
        Span<char> name = stackalloc char[Longest];
        return utf8.Length <= Longest && Encoding.UTF8.TryGetChars(utf8, name, out var length) && _byName.TryGetValue(name[..length], out var field) ? field : null;
    }
}
