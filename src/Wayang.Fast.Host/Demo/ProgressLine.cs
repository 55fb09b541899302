using System.Globalization;

namespace Wayang.Fast.Host.Demo;

/// <summary>A line that counts: rewritten in place on a terminal, one line now and then elsewhere.</summary>
internal sealed class ProgressLine(TextWriter writer, string what, int total, bool inPlace)
{
    private const int PlainLines = 5;
    private static readonly TimeSpan Redraw = TimeSpan.FromMilliseconds(100);

    private readonly Lock gate = new();
    private readonly System.Diagnostics.Stopwatch clock = System.Diagnostics.Stopwatch.StartNew();
    private TimeSpan drawn;

    public void Show(int done)
    {
        var last = done == total;
        if (inPlace)
        {
            lock (gate)
            {
                if (last || clock.Elapsed - drawn >= Redraw)
                {
                    drawn = clock.Elapsed;
                    writer.Write(Text(done) + (last ? "\n" : "\r"));
                }
            }
        }
        else if (last || done % Math.Max(1, total / PlainLines) == 0)
        {
            lock (gate)
            {
                writer.WriteLine(Text(done));
            }
        }
    }

    private string Text(int done) => string.Create(
        CultureInfo.InvariantCulture, $"  {what}: {done}/{total}, {done / Math.Max(clock.Elapsed.TotalSeconds, 1e-3):0} a second    ");
}
