using System.Runtime.CompilerServices;

namespace Wayang.Fast.Interop;

/// <summary>
/// The only memory barriers of managed code; partners in <c>native/base/atomics.h</c>. Every use names its SYNC POINT.
/// <c>Volatile.Write</c> is C's release store, <c>Volatile.Read</c> its acquire load, <c>Interlocked.MemoryBarrier</c>
/// its <c>atomic_thread_fence(seq_cst)</c>.
/// </summary>
internal static unsafe class Barriers
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Acquire(ulong* word) => Volatile.Read(ref *word);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Acquire(uint* word) => Volatile.Read(ref *word);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Release(ulong* word, ulong value) => Volatile.Write(ref *word, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Release(uint* word, uint value) => Volatile.Write(ref *word, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Full() => Interlocked.MemoryBarrier();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Increment(uint* word) => Interlocked.Increment(ref *word);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Or(ulong* word, ulong bits) => Interlocked.Or(ref *word, bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void And(ulong* word, ulong bits) => Interlocked.And(ref *word, bits);
}
