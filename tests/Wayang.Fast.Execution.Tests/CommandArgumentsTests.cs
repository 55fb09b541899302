using System.Buffers.Binary;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Commands;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Tests;

[Trait("Promise", "SX1")]
public sealed class CommandArgumentsTests
{
    [Fact]
    public void The_block_is_the_one_that_the_header_describes()
    {
        var block = CommandArguments.Encode(new CommandLine(["echo", "grüße"], ["A=1"], "/data"), null, []);
        Assert.Equal(ProtocolLayout.ArgumentsMagic, BinaryPrimitives.ReadUInt32LittleEndian(block));
        Assert.Equal(2u, BinaryPrimitives.ReadUInt32LittleEndian(block.AsSpan(4)));
        Assert.Equal(1u, BinaryPrimitives.ReadUInt32LittleEndian(block.AsSpan(8)));
        Assert.Equal(0u, BinaryPrimitives.ReadUInt32LittleEndian(block.AsSpan(12)));
        Assert.Equal("/data\0echo\0grüße\0A=1\0", Encoding.UTF8.GetString(block.AsSpan(16)));
    }

    [Theory]
    [InlineData("argv")]
    [InlineData("argv", "")]
    [InlineData("argv", "echo", "a\0b")]
    public void Arguments_that_no_process_can_get_are_refused(string field, params string[] arguments) =>
        Refused(field, new CommandLine(arguments, [], null));

    [Theory]
    [InlineData("=1")]
    [InlineData("NAME")]
    [InlineData("A=\0")]
    public void Variables_must_have_names(string variable) => Refused("env", new CommandLine(["true"], [variable], null));

    [Theory]
    [InlineData("")]
    [InlineData("tmp")]
    [InlineData("/a\0b")]
    public void The_directory_is_absolute(string directory) => Refused("cwd", new CommandLine(["true"], [], directory));

    [Fact]
    public void What_just_fits_is_encoded_within_the_bound_and_a_byte_more_is_refused()
    {
        // 16 bytes head, an empty directory, "x", and the NULs of all three.
        var room = ProtocolLayout.ArgumentsMaxBytes - 16 - 1 - 2 - 1;
        var fits = new CommandLine(["x", new string('a', room)], [], null);
        Assert.Null(CommandArguments.Validate(fits));
        Assert.Equal(ProtocolLayout.ArgumentsMaxBytes, CommandArguments.Encode(fits, null, []).Length);
        Assert.Equal(ErrorCode.TooLarge, CommandArguments.Validate(new CommandLine(["x", new string('a', room + 1)], [], null))?.Code);
    }

    private static void Refused(string field, CommandLine command)
    {
        var error = CommandArguments.Validate(command);
        Assert.Equal((ErrorCode.InvalidArgument, field), (error?.Code, error?.Field));
    }
}
