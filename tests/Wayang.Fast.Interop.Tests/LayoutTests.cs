using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Xunit;

namespace Wayang.Fast.Interop.Tests;

/// <summary>The managed mirror of the shared layout against the native library's own view.</summary>
[Trait("Promise", "IM1")]
public sealed class LayoutTests
{
    private static readonly Dictionary<string, ulong> Native = ChannelLayout.ReadNative()
        .Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Select(line => line.Split('='))
        .ToDictionary(parts => parts[0], parts => ulong.Parse(parts[1], CultureInfo.InvariantCulture), StringComparer.Ordinal);

    [Fact]
    public void Constants_are_those_of_the_header()
    {
        FieldInfo[] constants = typeof(ChannelLayout).GetFields(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly);
        Assert.All(constants, constant =>
        {
            ulong managed = Convert.ToUInt64(constant.GetRawConstantValue(), CultureInfo.InvariantCulture);
            Assert.True(Native.TryGetValue(constant.Name, out ulong native), constant.Name);
            Assert.Equal(native, managed);
        });
        Assert.True(constants.Length >= 30);
    }

    [Theory]
    [InlineData("sequence", nameof(ChannelSlot.Sequence))]
    [InlineData("ticket", nameof(ChannelSlot.Ticket))]
    [InlineData("function", nameof(ChannelSlot.Function))]
    [InlineData("kind", nameof(ChannelSlot.Kind))]
    [InlineData("length", nameof(ChannelSlot.Length))]
    [InlineData("payload", nameof(ChannelSlot.ReferenceOffset))]
    [InlineData("reference.length", nameof(ChannelSlot.ReferenceLength))]
    [InlineData("reference.total", nameof(ChannelSlot.ReferenceTotal))]
    public void Slot_fields_stand_where_the_header_has_them(string native, string managed) =>
        Assert.Equal(Native["slot." + native], (ulong)Marshal.OffsetOf<ChannelSlot>(managed));

    [Theory]
    [InlineData("task_high", nameof(ChannelFacts.TaskHigh))]
    [InlineData("task_low", nameof(ChannelFacts.TaskLow))]
    [InlineData("deadline", nameof(ChannelFacts.DeadlineNanoseconds))]
    [InlineData("ticket", nameof(ChannelFacts.Ticket))]
    [InlineData("attempt", nameof(ChannelFacts.Attempt))]
    public void Facts_stand_where_the_header_has_them(string native, string managed) =>
        Assert.Equal(Native["facts." + native], (ulong)Marshal.OffsetOf<ChannelFacts>(managed));

    [Fact]
    public void Costs_stand_where_the_header_has_them()
    {
        Assert.Equal(Native["cost.ticket"], (ulong)Marshal.OffsetOf<ChannelCost>(nameof(ChannelCost.Ticket)));
        Assert.Equal(Native["CostBytes"], (ulong)Unsafe.SizeOf<ChannelCost>());
    }

    [Fact]
    public void Structs_have_the_sizes_of_the_header()
    {
        Assert.Equal(Native["SlotStride"], (ulong)Unsafe.SizeOf<ChannelSlot>());
        Assert.Equal(Native["sizeof.error"], (ulong)Unsafe.SizeOf<NativeError>());
        Assert.Equal(Native["sizeof.geometry"], (ulong)Unsafe.SizeOf<NativeGeometry>());
        Assert.Equal(Native["sizeof.channel"], (ulong)Unsafe.SizeOf<NativeChannel>());
        Assert.Equal(Native["sizeof.poll_event"], (ulong)Unsafe.SizeOf<PollEvent>());
    }
}
