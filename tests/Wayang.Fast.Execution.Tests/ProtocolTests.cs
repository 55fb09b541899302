using System.Globalization;
using System.Text.RegularExpressions;
using Wayang.Fast.Execution.Limits;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Tests;

/// <summary>The managed mirror of native/spawner/protocol.h says what the header says.</summary>
public sealed partial class ProtocolTests
{
    private static readonly string Header = File.ReadAllText(Path.Combine(Installation.Root, "native", "spawner", "protocol.h"));

    [Theory]
    [InlineData("wy_msg_header", ProtocolLayout.HeaderBytes)]
    [InlineData("wy_msg_welcome", ProtocolLayout.WelcomeBytes)]
    [InlineData("wy_msg_profile", ProtocolLayout.ProfileBytes)]
    [InlineData("wy_msg_image_open", ProtocolLayout.ImageOpenBytes)]
    [InlineData("wy_msg_worker_start", ProtocolLayout.WorkerStartBytes)]
    [InlineData("wy_msg_worker_exited", ProtocolLayout.WorkerExitedBytes)]
    [InlineData("wy_stage_header", ProtocolLayout.StageHeaderBytes)]
    [InlineData("wy_stage_entry", ProtocolLayout.StageEntryBytes)]
    [InlineData("wy_artifact", ProtocolLayout.ArtifactHeaderBytes)]
    [InlineData("wy_msg_failure", ProtocolLayout.FailureBytes)]
    [InlineData("wy_msg_scan", ScanMessages.ScanBytes)]
    [InlineData("wy_msg_scan_finding", ScanMessages.FindingBytes)]
    [InlineData("wy_msg_scan_done", ScanMessages.DoneBytes)]
    public void Sizes_are_those_that_the_header_asserts(string type, int bytes)
    {
        var match = Regex.Match(Header, $@"sizeof\({type}\) == (\d+)", RegexOptions.None, TimeSpan.FromSeconds(1));
        Assert.True(match.Success, $"the header asserts no size of {type}");
        Assert.Equal(bytes, int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("wy_msg_hello", ProtocolLayout.HelloBytes)]
    [InlineData("wy_msg_image_ref", ProtocolLayout.ImageRefBytes)]
    [InlineData("wy_msg_image_ready", ProtocolLayout.ImageReadyBytes)]
    [InlineData("wy_msg_worker_signal", ProtocolLayout.WorkerSignalBytes)]
    [InlineData("wy_msg_worker_class", ProtocolLayout.WorkerClassBytes)]
    [InlineData("wy_msg_worker_freeze", ProtocolLayout.WorkerFreezeBytes)]
    [InlineData("wy_msg_worker_frozen", ProtocolLayout.WorkerFrozenBytes)]
    [InlineData("wy_msg_usage", ProtocolLayout.UsageBytes)]
    [InlineData("wy_msg_usage_of", ProtocolLayout.UsageOfBytes)]
    [InlineData("wy_worker_usage", ProtocolLayout.WorkerUsageBytes)]
    [InlineData("wy_msg_worker_started", ProtocolLayout.WorkerStartedBytes)]
    public void Sizes_without_an_assertion_follow_from_the_fields(string type, int bytes)
    {
        var match = Regex.Match(Header, $@"typedef struct {type} \{{(.*?)\}} {type};", RegexOptions.Singleline, TimeSpan.FromSeconds(1));
        Assert.True(match.Success);
        var sum = Fields().Matches(match.Groups[1].Value).Sum(m => m.Groups["bits"].Value == "64" ? 8 : 4);
        Assert.Equal(bytes, sum);
    }

    [Theory]
    [InlineData("WY_MSG_MAGIC", ProtocolLayout.Magic)]
    [InlineData("WY_MSG_VERSION", ProtocolLayout.Version)]
    [InlineData("WY_MSG_MAX_BYTES", ProtocolLayout.MaxBytes)]
    [InlineData("WY_MSG_MAX_FDS", ProtocolLayout.MaxDescriptors)]
    [InlineData("WY_NAME_BYTES", ProtocolLayout.NameBytes)]
    [InlineData("WY_ARGUMENTS_MAGIC", ProtocolLayout.ArgumentsMagic)]
    [InlineData("WY_STAGE_MAGIC", ProtocolLayout.StageMagic)]
    [InlineData("WY_FEATURE_ROOT", (long)SpawnerFeatures.Root)]
    [InlineData("WY_FEATURE_CGROUP_V1", (long)SpawnerFeatures.CgroupV1)]
    [InlineData("WY_FEATURE_CGROUP_V2", (long)SpawnerFeatures.CgroupV2)]
    [InlineData("WY_FEATURE_CPU_GROUP", (long)SpawnerFeatures.CpuGroup)]
    [InlineData("WY_FEATURE_CPU_CAP", (long)SpawnerFeatures.CpuCap)]
    [InlineData("WY_FEATURE_FREEZER", (long)SpawnerFeatures.Freezer)]
    [InlineData("WY_FROZEN_BY_GROUP", (long)FrozenBy.Group)]
    [InlineData("WY_FROZEN_BY_SIGNAL", (long)FrozenBy.Signal)]
    [InlineData("WY_FEATURE_DISK", (long)SpawnerFeatures.DiskImage)]
    [InlineData("WY_FEATURE_IO", (long)SpawnerFeatures.IoRates)]
    [InlineData("WY_SPACE_LEAST_MIB", StartLimits.LeastOnDisk >> 20)]
    [InlineData("WY_FEATURE_MIGRATION", (long)SpawnerFeatures.Migration)]
    [InlineData("WY_USAGE_MOST", ProtocolLayout.UsageMost)]
    [InlineData("WY_EXIT_DISK_FULL", ProtocolLayout.ExitDiskFull)]
    [InlineData("WY_PROFILE_FILES", (long)SpawnerProfileTraits.Files)]
    [InlineData("WY_PROFILE_OWN_ROOT", (long)SpawnerProfileTraits.OwnRoot)]
    public void Constants_agree(string name, long value)
    {
        var match = Regex.Match(Header, $@"#define {name} (0x[0-9a-fA-F]+|\d+)u", RegexOptions.None, TimeSpan.FromSeconds(1));
        Assert.True(match.Success, $"the header does not define {name}");
        var text = match.Groups[1].Value;
        Assert.Equal(value, text.StartsWith("0x", StringComparison.Ordinal)
            ? long.Parse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture)
            : long.Parse(text, CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("WY_MSG_", typeof(MessageType))]
    [InlineData("WY_EXIT_", typeof(ExitKind))]
    [InlineData("WY_IMAGE_", typeof(ImageKind))]
    public void Every_number_of_the_enums_is_known(string prefix, Type mirror)
    {
        var told = Regex.Matches(Header, $@"^\s+{prefix}\w+ = (\d+)", RegexOptions.Multiline, TimeSpan.FromSeconds(1))
            .Select(m => long.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture)).Order();
        var known = Enum.GetValuesAsUnderlyingType(mirror).Cast<object>().Select(v => Convert.ToInt64(v, CultureInfo.InvariantCulture)).Order();
        Assert.Equal(told, known);
    }

    [Fact]
    public void A_message_that_claims_another_length_is_refused()
    {
        var buffer = new byte[ProtocolLayout.MaxBytes];
        var length = MessageWriter.Hello(buffer, 7);
        Assert.True(MessageReader.TryReadHeader(buffer.AsSpan(0, length), out var type, out var request));
        Assert.Equal((MessageType.Hello, 7UL), (type, request));
        Assert.False(MessageReader.TryReadHeader(buffer.AsSpan(0, length - 1), out _, out _));
        Assert.False(MessageReader.TryReadHeader(buffer.AsSpan(0, length + 1), out _, out _));
        Assert.False(MessageReader.TryReadHeader([], out _, out _));
    }

    [Fact]
    public void Function_names_end_with_NUL_and_are_bounded()
    {
        var body = new byte[ProtocolLayout.ImageReadyBytes + 4];
        body[12] = 2;
        "a\0b\0"u8.CopyTo(body.AsSpan(ProtocolLayout.ImageReadyBytes));
        Assert.True(MessageReader.TryReadImageReady(body, out _, out _, out var functions));
        Assert.Equal(["a", "b"], functions);
        body[^1] = (byte)'b';
        Assert.False(MessageReader.TryReadImageReady(body, out _, out _, out _));
        body[13] = 0xFF;
        Assert.False(MessageReader.TryReadImageReady(body, out _, out _, out _));
    }

    [Fact]
    public void The_welcome_ends_with_whole_profiles_and_a_bounded_number_of_them()
    {
        var body = new byte[ProtocolLayout.WelcomeBytes + (17 * ProtocolLayout.ProfileBytes)];
        body[0] = (byte)ProtocolLayout.Version;
        "small"u8.CopyTo(body.AsSpan(ProtocolLayout.WelcomeBytes));
        body[ProtocolLayout.WelcomeBytes + ProtocolLayout.NameBytes] = 3;
        "compute"u8.CopyTo(body.AsSpan(ProtocolLayout.WelcomeBytes + ProtocolLayout.ProfileBytes));

        Assert.True(MessageReader.TryReadWelcome(body.AsSpan(0, ProtocolLayout.WelcomeBytes + (2 * ProtocolLayout.ProfileBytes)), out var welcome));
        Assert.Equal(["compute", "small"], welcome!.Profiles.Select(static p => p.Name));
        Assert.Equal(["call"], welcome.Profiles[0].Kinds);
        Assert.Equal((true, true), (welcome.Profiles[1].HasFiles, welcome.Profiles[1].HasOwnRoot));
        Assert.Equal(["call", "exec"], welcome.Profiles[1].Kinds);
        foreach (var profiles in (int[])[0, 1, 17])
        {
            var odd = profiles == 1 ? 1 : 0;
            Assert.False(MessageReader.TryReadWelcome(body.AsSpan(0, ProtocolLayout.WelcomeBytes + (profiles * ProtocolLayout.ProfileBytes) - odd), out _));
        }
    }

    [Fact]
    public void Detail_of_an_image_follows_only_its_end_and_is_bounded_and_printable()
    {
        var body = new byte[ProtocolLayout.FailureBytes + ProtocolLayout.DetailBytes];
        "text"u8.CopyTo(body.AsSpan(16));
        body.AsSpan(ProtocolLayout.FailureBytes).Fill((byte)'x');
        "a\n\u001b[31m\t"u8.CopyTo(body.AsSpan(ProtocolLayout.FailureBytes));
        Assert.True(MessageReader.TryReadFailure(body, withDetail: true, out var failure));
        Assert.Equal("text", failure.Text);
        Assert.StartsWith("a\n?[31m\txx", failure.Detail, StringComparison.Ordinal);
        Assert.False(MessageReader.TryReadFailure(body, withDetail: false, out _));
        Assert.False(MessageReader.TryReadFailure([.. body, 0], withDetail: true, out _));
        Assert.False(MessageReader.TryReadFailure(body.AsSpan(0, ProtocolLayout.FailureBytes - 1), withDetail: true, out _));
        Assert.True(MessageReader.TryReadFailure(body.AsSpan(0, ProtocolLayout.FailureBytes), withDetail: false, out failure));
        Assert.Equal("", failure.Detail);
    }

    [GeneratedRegex(@"u?int(?<bits>64|32)_t \w+;", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Fields();
}
