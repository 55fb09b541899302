using System.Buffers.Binary;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Ledger;

/// <summary>Ids and fingerprints as they stand in the database: 16 bytes, the upper first, so that ids are in the order of time.</summary>
internal static class LedgerIds
{
    public static byte[] ToBytes(TaskId id) => ToBytes(id.High, id.Low);

    public static byte[] ToBytes(SubmissionFingerprint fingerprint) => ToBytes(fingerprint.High, fingerprint.Low);

    public static TaskId ToId(byte[] bytes) => new(High(bytes), Low(bytes));

    public static SubmissionFingerprint ToFingerprint(byte[] bytes) => new(High(bytes), Low(bytes));

    private static byte[] ToBytes(ulong high, ulong low)
    {
        var bytes = new byte[2 * sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, high);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(sizeof(ulong)), low);
        return bytes;
    }

    private static ulong High(byte[] bytes) => BinaryPrimitives.ReadUInt64BigEndian(bytes);

    private static ulong Low(byte[] bytes) => BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(sizeof(ulong)));
}
