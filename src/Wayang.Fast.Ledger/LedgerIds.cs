using System.Buffers.Binary;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Ledger;

/// <summary>Ids and fingerprints as they stand in the database: 16 bytes, the upper first, so that ids are in the order of time.</summary>
internal static class LedgerIds
{
    public static byte[] ToBytes(UInt128 value)
    {
        var bytes = new byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, value);
        return bytes;
    }

    public static UInt128 ToNumber(byte[] bytes) => BinaryPrimitives.ReadUInt128BigEndian(bytes);

    public static TaskId ToId(byte[] bytes) => new(ToNumber(bytes));
}
