using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>
/// A file of pieces, each encrypted and authenticated (AES-256-GCM) under a key of the file's own, which is derived from the node's key and the file's salt. The
/// number of a piece is its nonce, and its kind is authenticated with it: none can be changed, moved, left out or taken from another file, and the last one says that it is.
/// <code>
/// magic "WYCKPT01", salt (32 bytes), then pieces: u32 length, u32 kind, ciphertext, tag (16 bytes)
/// </code>
/// </summary>
internal static class CheckpointFile
{
    public const int PieceBytes = 1 << 16;

    private const int KeyBytes = 32;

    private const string NoCheckpoint = "it is no checkpoint of this program";

    private const int SaltBytes = 32;
    private const int TagBytes = 16;
    private const int HeadBytes = 8;
    private static readonly byte[] s_magic = "WYCKPT01"u8.ToArray();

    /// <summary>What a piece holds.</summary>
    public enum Kind : uint
    {
        /// <summary>A part of the worker's memory, in order.</summary>
        Stream = 1,

        /// <summary>A part of the description, in order.</summary>
        State = 2,

        /// <summary>Nothing: the file is whole.</summary>
        End = 3,

        /// <summary>How the worker's channel is made; the first one.</summary>
        Shape = 4,

        /// <summary>No file's, but of a call that begins anew at another node: which attempt that is; the first one.</summary>
        Attempt = 5,

        /// <summary>The same: a part of its input, in order.</summary>
        Input = 6,

        /// <summary>The same: a part of what it saved, in order.</summary>
        Saved = 7,
    }

    /// <summary>Appends pieces to a fresh file.</summary>
    public sealed class Writer : IDisposable
    {
        private readonly Stream _file;
        private readonly AesGcm _cipher;
        private readonly byte[] _buffer = new byte[HeadBytes + PieceBytes + TagBytes];
        private ulong _number;

        public Writer(Stream file, byte[] nodeKey)
        {
            _file = file;
            var salt = RandomNumberGenerator.GetBytes(SaltBytes);
            _cipher = CipherOf(KeyOf(nodeKey, salt));
            file.Write(s_magic);
            file.Write(salt);
        }

        /// <param name="kind">Of the piece.</param>
        /// <param name="piece">At most <see cref="PieceBytes"/>.</param>
        public void Write(Kind kind, ReadOnlySpan<byte> piece)
        {
            Span<byte> nonce = stackalloc byte[12];
            var head = _buffer.AsSpan(0, HeadBytes);
            BinaryPrimitives.WriteInt32LittleEndian(head, piece.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(head[4..], (uint)kind);
            BinaryPrimitives.WriteUInt64LittleEndian(nonce, _number++);
            _cipher.Encrypt(nonce, piece, _buffer.AsSpan(HeadBytes, piece.Length), _buffer.AsSpan(HeadBytes + piece.Length, TagBytes), head);
            _file.Write(_buffer, 0, HeadBytes + piece.Length + TagBytes);
        }

        public void Dispose() => _cipher.Dispose();
    }

    /// <summary>What is done with a piece.</summary>
    /// <returns>False: no more is wanted.</returns>
    public delegate bool Visitor(Kind kind, ReadOnlySpan<byte> piece);

    /// <summary>Reads a file of this node's, each piece checked before it is shown.</summary>
    /// <returns>Null: it was read to its end, or as far as was wanted. Else what is wrong.</returns>
    public static string? Read(Stream file, byte[] nodeKey, Visitor visit)
    {
        Span<byte> salt = stackalloc byte[SaltBytes];
        return TryReadSalt(file, salt) ? ReadPieces(file, KeyOf(nodeKey, salt), visit) : NoCheckpoint;
    }

    private static bool TryReadSalt(Stream file, Span<byte> salt)
    {
        Span<byte> start = stackalloc byte[8 + SaltBytes];
        if (file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) != start.Length || !start[..8].SequenceEqual(s_magic))
        {
            return false;
        }

        start[8..].CopyTo(salt);
        return true;
    }

    private static string? ReadPieces(Stream file, byte[] fileKey, Visitor visit)
    {
        using var cipher = CipherOf(fileKey);
        var (buffer, piece) = (new byte[PieceBytes + TagBytes], new byte[PieceBytes]);
        Span<byte> head = stackalloc byte[HeadBytes];
        Span<byte> nonce = stackalloc byte[12];
        for (ulong number = 0; ; number++)
        {
            if (file.ReadAtLeast(head, HeadBytes, throwOnEndOfStream: false) != HeadBytes)
            {
                return "it breaks off";
            }

            var length = BinaryPrimitives.ReadInt32LittleEndian(head);
            if (length is < 0 or > PieceBytes || file.ReadAtLeast(buffer.AsSpan(0, length + TagBytes), length + TagBytes, throwOnEndOfStream: false) != length + TagBytes)
            {
                return "it breaks off, or is damaged";
            }

            BinaryPrimitives.WriteUInt64LittleEndian(nonce, number);
            try
            {
                cipher.Decrypt(nonce, buffer.AsSpan(0, length), buffer.AsSpan(length, TagBytes), piece.AsSpan(0, length), head);
            }
            catch (AuthenticationTagMismatchException)
            {
                return number == 0 ? "it is damaged, or was written with another node's key" : $"its piece {number} is damaged";
            }

            var kind = (Kind)BinaryPrimitives.ReadUInt32LittleEndian(head[4..]);
            if (kind == Kind.End || !visit(kind, piece.AsSpan(0, length)))
            {
                return null;
            }
        }
    }

    private static byte[] KeyOf(byte[] nodeKey, ReadOnlySpan<byte> salt)
    {
        var key = new byte[KeyBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, nodeKey, key, salt, "wayang checkpoint"u8);
        return key;
    }

    /// <param name="key">Of the file; cleared.</param>
    private static AesGcm CipherOf(byte[] key)
    {
        var cipher = new AesGcm(key, TagBytes);
        CryptographicOperations.ZeroMemory(key);
        return cipher;
    }
}
