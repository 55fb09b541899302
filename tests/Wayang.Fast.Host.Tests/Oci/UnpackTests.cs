using System.Formats.Tar;
using System.Runtime.Versioning;
using Wayang.Fast.Host.Oci;
using Xunit;
using static Wayang.Fast.Host.Tests.Oci.LayoutBuilder;

namespace Wayang.Fast.Host.Tests.Oci;

/// <summary>Layouts become trees, or are refused with the layer and the entry; nothing is ever written beside the tree.</summary>
[Trait("Promise", "IM1")]
[SupportedOSPlatform("linux")]
public sealed class UnpackTests : IDisposable
{
    private readonly string _scratch = Directory.CreateTempSubdirectory("wayang-oci-").FullName;
    private readonly LayoutBuilder _layout;

    public UnpackTests() => _layout = new LayoutBuilder(Path.Combine(_scratch, "layout"));

    private string Store => Path.Combine(_scratch, "store");

    public void Dispose() => Directory.Delete(_scratch, recursive: true);

    [Fact]
    public void Layers_lie_over_each_other_and_take_away_what_they_say()
    {
        // A file cannot be walked through: a layer would have to replace it by a directory of its own.
        _layout.Layer(static w => w.WriteEntry(Text("kind", "a file"))).Layer(static w => w.WriteEntry(Text("kind/inside", ""))).Image("v1");
        var refused = Assert.Throws<OciException>(() => Unpack("v1"));
        Assert.Equal((OciFault.Malformed, "kind/inside"), (refused.Fault, refused.Entry));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Store));

        _layout.NextImage().Layer(static w =>
        {
            w.WriteEntry(Folder("./"));
            w.WriteEntry(Text("./etc/a", "first"));
            w.WriteEntry(Text("etc/b", "first"));
            w.WriteEntry(Text("opaque/old/x", "first"));
            w.WriteEntry(Text("tree/x", "first"));
            w.WriteEntry(Text("kind", "a file"));
            w.WriteEntry(Folder("usr/lib/"));
            w.WriteEntry(Link("lib", "usr/lib"));
            w.WriteEntry(Link("var/run", "/run"));
            w.WriteEntry(Link("etc/hard", "etc/a", TarEntryType.HardLink));
        }).Layer(static w =>
        {
            w.WriteEntry(Text("etc/.wh.b", ""));
            w.WriteEntry(Text("opaque/new", "second"));
            w.WriteEntry(Text("opaque/.wh..wh..opq", ""));
            w.WriteEntry(Text(".wh.tree", ""));
            w.WriteEntry(Folder("kind"));
            w.WriteEntry(Text("kind/inside", "now a directory"));
            w.WriteEntry(Text("lib/libx", "through the link"));
            w.WriteEntry(Text("var/run/pid", "through an absolute link"));
            w.WriteEntry(Text("etc/a", "second"));
        }, Plain).Image("v2");
        var tree = Unpack("v2");
        string[] files = [.. Directory.EnumerateFiles(tree, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(tree, f)).Order(StringComparer.Ordinal)];
        Assert.Equal(["etc/a", "etc/hard", "kind/inside", "opaque/new", "run/pid", "usr/lib/libx"], files.Where(static f => !f.StartsWith("lib/", StringComparison.Ordinal) && !f.StartsWith("var/run/", StringComparison.Ordinal)));
        Assert.Equal(("second", "first"), (File.ReadAllText(Path.Combine(tree, "etc/a")), File.ReadAllText(Path.Combine(tree, "etc/hard"))));
        Assert.All((string[])["proc", "dev", "tmp"], d => Assert.True(Directory.Exists(Path.Combine(tree, d))));
    }

    [Fact]
    public void What_a_killed_one_left_is_taken_away_and_what_another_one_makes_stays()
    {
        Directory.CreateDirectory(Store);
        using var other = OciDraft.Make(Store);
        var left = Path.Combine(Store, ".draft-00112233445566ff");
        Directory.CreateDirectory(Path.Combine(left, "etc"));
        File.WriteAllText(Path.Combine(left, "etc", "shut"), "x");
        File.WriteAllText(left + ".lock", "");
        _layout.Layer(static w => w.WriteEntry(Text("a", "b"))).Image("v1");

        var tree = Unpack("v1");

        string[] expected = [Path.GetFileName(other.Path), Path.GetFileName(other.Path) + ".lock", Path.GetFileName(tree)];
        Assert.Equal(expected.Order(StringComparer.Ordinal), Directory.EnumerateFileSystemEntries(Store).Select(static f => Path.GetFileName(f)!).Order(StringComparer.Ordinal));
        Assert.Equal(0, OciDraft.Prune(Store));
        Assert.True(Directory.Exists(other.Path));
    }

    [Fact]
    public void The_same_layers_are_one_tree_and_modes_give_nobody_anything()
    {
        const UnixFileMode all = (UnixFileMode)0b111_111_111;
        _layout.Layer(static w =>
        {
            w.WriteEntry(Folder("open", all | UnixFileMode.StickyBit | UnixFileMode.SetGroup));
            w.WriteEntry(Folder("shut", UnixFileMode.None));
            w.WriteEntry(Bytes("su", [1], all | UnixFileMode.SetUser | UnixFileMode.SetGroup));
        }).Image("a", new { Env = new[] { "A=1" }, Cmd = new[] { "x" }, WorkingDir = "/open", User = "nobody" }).Image("b", inIndex: true);
        var tree = Unpack("a");
        File.SetLastWriteTimeUtc(Path.Combine(tree, "su"), DateTime.UnixEpoch);
        Assert.Equal(tree, Unpack("b"));
        Assert.Equal(DateTime.UnixEpoch, File.GetLastWriteTimeUtc(Path.Combine(tree, "su")));
        Assert.Equal(0b111_101_101, (int)File.GetUnixFileMode(Path.Combine(tree, "su")));
        Assert.Equal(0b111_101_101, (int)File.GetUnixFileMode(Path.Combine(tree, "open")));
        Assert.Equal(0b111_000_000, (int)File.GetUnixFileMode(Path.Combine(tree, "shut")));
        Assert.Single(Directory.EnumerateFileSystemEntries(Store));

        var image = new OciLayout(_layout.Directory).Find("a");
        Assert.Equal(("A=1", "x", "/open"), (Assert.Single(image.Environment), Assert.Single(image.Arguments), image.WorkingDirectory));
        Assert.Contains("asks for user 'nobody'", image.UserNote, StringComparison.Ordinal);
    }

    public static TheoryData<string, OciFault> Escapes => new()
    {
        { "absolute", OciFault.Escape }, { "climb", OciFault.Escape }, { "climb inside", OciFault.Escape }, { "link up", OciFault.Escape }, { "link circle", OciFault.Escape },
        { "hard up", OciFault.Escape }, { "hard absolute", OciFault.Escape }, { "hard through", OciFault.Escape }, { "hard missing", OciFault.Malformed }, { "whiteout up", OciFault.Escape },
        { "whiteout through", OciFault.Escape }, { "device", OciFault.Unsupported }, { "pipe", OciFault.Unsupported }, { "long part", OciFault.TooLarge }, { "proc link", OciFault.Unsupported },
    };

    [Theory]
    [MemberData(nameof(Escapes))]
    public void What_would_leave_the_tree_is_refused_with_layer_and_entry(string attempt, OciFault fault)
    {
        var victim = Path.Combine(_scratch, "victim");
        File.WriteAllText(victim, "safe");
        _layout.Layer(w =>
        {
            foreach (var entry in Attempt(attempt, victim))
            {
                w.WriteEntry(entry);
            }
        }).Image();
        var refused = Assert.Throws<OciException>(() => Unpack(null));
        Assert.Equal(fault, refused.Fault);
        if (attempt != "proc link")
        {
            Assert.Equal(_layout.LayerDigest, refused.Layer);
            Assert.NotNull(refused.Entry);
            Assert.Contains(_layout.LayerDigest, refused.Message, StringComparison.Ordinal);
        }

        Assert.Equal("safe", File.ReadAllText(victim));
        Assert.Equal(["layout", "store", "victim"], Directory.EnumerateFileSystemEntries(_scratch).Select(static f => Path.GetFileName(f)!).Order(StringComparer.Ordinal));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Store));
    }

    private static TarEntry[] Attempt(string name, string victim) => name switch
    {
        "absolute" => [Text(victim, "out")],
        "climb" => [Text("../../victim", "out")],
        "climb inside" => [Text("a/b/../../../../victim", "out")],
        "link up" => [Link("a", "../.."), Text("a/victim", "out")],
        "link circle" => [Link("a", "b"), Link("b", "a"), Text("a/x", "out")],
        "hard up" => [Link("x", "../../victim", TarEntryType.HardLink)],
        "hard absolute" => [Link("x", victim, TarEntryType.HardLink)],
        "hard through" => [Link("a", "../.."), Link("x", "a/victim", TarEntryType.HardLink)],
        "hard missing" => [Link("x", "nowhere", TarEntryType.HardLink)],
        "whiteout up" => [Text("a/.wh...", "")],
        "whiteout through" => [Link("a", "../.."), Text("a/.wh.victim", "")],
        "device" => [new PaxTarEntry(TarEntryType.BlockDevice, "sda") { DeviceMajor = 8, DeviceMinor = 0 }],
        "pipe" => [new PaxTarEntry(TarEntryType.Fifo, "pipe")],
        "long part" => [Text(new string('n', 300), "")],
        _ => [Link("proc", "/tmp")],
    };

    /// <summary>A link to anywhere is only a text; who follows it stands in the image.</summary>
    [Fact]
    public void Links_stay_as_they_are_and_an_absolute_one_begins_at_the_image()
    {
        _layout.Layer(static w =>
        {
            w.WriteEntry(Link("out", "/etc"));
            w.WriteEntry(Link("up", "../../../etc/shadow"));
            w.WriteEntry(Text("out/inside", "x"));
            w.WriteEntry(Text("up", "replaced, not followed"));
        }).Image();
        var tree = Unpack(null);
        Assert.Equal("x", File.ReadAllText(Path.Combine(tree, "etc/inside")));
        Assert.Null(new FileInfo(Path.Combine(tree, "up")).LinkTarget);
        Assert.False(File.Exists("/etc/inside"));
    }

    [Fact]
    public void What_is_not_as_it_says_is_refused()
    {
        _layout.Layer(static w => w.WriteEntry(Text("a", "x"))).Image("one").Image("two");
        Refused(OciFault.NotFound, "has no tag 'three'; there are: one, two", "three");
        Refused(OciFault.NotFound, "has no tag 'latest'", null);

        var blob = _layout.BlobPath(_layout.LayerDigest);
        var whole = File.ReadAllBytes(blob);
        var changed = whole.ToArray();
        changed[^9] ^= 1;
        File.WriteAllBytes(blob, changed);
        Refused(OciFault.WrongDigest, "another digest", "one");
        File.WriteAllBytes(blob, [.. whole, 0]);
        Refused(OciFault.WrongDigest, "bytes, and", "one");
        File.Delete(blob);
        Refused(OciFault.NotFound, "there is no such file", "one");
        File.WriteAllBytes(blob, whole);
        Assert.True(Directory.Exists(Unpack("one")));

        _layout.NextImage().RawLayer(whole, diffId: "sha256:" + new string('0', 64)).Image("lies");
        Assert.Throws<OciException>(() => Unpack("lies"));
        _layout.NextImage().RawLayer([1, 2, 3], "application/vnd.oci.image.layer.v1.tar+zstd").Image("zstd");
        Refused(OciFault.Unsupported, "--dest-compress-format gzip", "zstd");
        _layout.NextImage().Layer(static w => w.WriteEntry(Text("a", "x"))).Image("mips", architecture: "mips");
        Refused(OciFault.NotFound, "nothing for linux/", "mips");
        File.WriteAllText(Path.Combine(_layout.Directory, "index.json"), "{\"manifests\": [{\"digest\": \"md5:1\", \"size\": -1}]}");
        Refused(OciFault.Unsupported, "is not sha256", null);
        File.WriteAllText(Path.Combine(_layout.Directory, "index.json"), new string('[', 100_000));
        Refused(OciFault.Malformed, "index.json: is no JSON", null);
        Directory.Delete(_layout.Directory, recursive: true);
        Refused(OciFault.NotFound, "is no image layout", null);
    }

    [Fact]
    public void Bounds_hold_for_what_is_unpacked_not_for_what_is_stored()
    {
        _layout.Layer(static w => w.WriteEntry(Bytes("zeros", new byte[4 << 20], UnixFileMode.UserRead))).Image("big");
        var small = new OciBounds { MaxBytes = 1 << 20, MaxFiles = 10 };
        Refused(OciFault.TooLarge, "oci.max_bytes", "big", small);
        _layout.NextImage().Layer(static w =>
        {
            w.WriteEntry(Bytes("a", new byte[300_000], UnixFileMode.UserRead));
            for (var i = 0; i < 5; i++)
            {
                w.WriteEntry(Link($"b{i}", "a", TarEntryType.HardLink));
            }
        }).Image("links");
        Refused(OciFault.TooLarge, "oci.max_bytes", "links", small);
        _layout.NextImage().Layer(static w =>
        {
            for (var i = 0; i < 11; i++)
            {
                w.WriteEntry(Text($"f{i}", ""));
            }
        }).Image("many");
        Refused(OciFault.TooLarge, "oci.max_files", "many", small);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Store));
    }

    private void Refused(OciFault fault, string told, string? tag, OciBounds? bounds = null)
    {
        var refused = Assert.Throws<OciException>(() => Unpack(tag, bounds));
        Assert.Equal(fault, refused.Fault);
        Assert.Contains(told, refused.Message, StringComparison.Ordinal);
    }

    private string Unpack(string? tag, OciBounds? bounds = null)
    {
        var layout = new OciLayout(_layout.Directory);
        return new OciStore(Store, bounds ?? new OciBounds()).Unpack(layout, layout.Find(tag));
    }
}
