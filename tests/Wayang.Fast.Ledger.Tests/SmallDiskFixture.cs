using System.Diagnostics;
using Xunit;

namespace Wayang.Fast.Ledger.Tests;

/// <summary>A ledger's directory that may be a disk of a megabyte, in memory, to be filled or made read-only. As root only.</summary>
public abstract class SmallDiskFixture : LedgerFixture
{
    private bool _mounted;

    protected override void Clean()
    {
        if (_mounted)
        {
            Call("umount", "-l", Directory);
        }
    }

    /// <summary>Before the ledger is opened.</summary>
    protected void Mount()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "mounts a small file system, which takes root");
        Call("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", Directory);
        _mounted = true;
    }

    /// <summary>Takes all room that is left; what to delete for it to be there again.</summary>
    protected string Fill()
    {
        var path = Path.Combine(Directory, "ballast");
        using var file = new FileStream(path, FileMode.Create);
        try
        {
            while (true)
            {
                file.Write(new byte[4096]);
                file.Flush();
            }
        }
        catch (IOException)
        {
            return path; // it is full
        }
    }

    protected static void Call(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}
