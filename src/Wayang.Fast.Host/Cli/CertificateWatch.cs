using System.Globalization;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Cli;

/// <summary>
/// Sees that the files of <c>tls</c> changed, and reads them when they have been the same for two looks: who writes certificate and key one after the other is given
/// the time for it. What cannot be used is told once, and the former ones stay in force until the files change again. Not thread-safe.
/// </summary>
internal sealed class CertificateWatch
{
    private string _settled;
    private string _last;

    public CertificateWatch(TlsSettings settings) => _settled = _last = StampOf(settings);

    /// <summary>Later texts, or what is wrong with them, or neither: nothing changed.</summary>
    public (TlsTexts? Texts, string? Problem) Look(TlsSettings settings)
    {
        var before = _last;
        _last = StampOf(settings);
        if (_last == _settled || _last != before)
        {
            return (null, null);
        }

        _settled = _last;
        try
        {
            return (settings.ReadFiles(), null);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return (null, fault.Message);
        }
    }

    /// <summary>What is seen of the files from outside; a link is followed, as those who renew certificates often move one.</summary>
    private static string StampOf(TlsSettings settings) =>
        string.Join('|', new[] { settings.CertificateFile, settings.KeyFile, settings.ClientAuthorityFile }.OfType<string>().Select(static path =>
        {
            try
            {
                var target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
                var file = new FileInfo(target);
                return file.Exists ? string.Create(CultureInfo.InvariantCulture, $"{target} {file.LastWriteTimeUtc.Ticks} {file.Length}") : target;
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                return path;
            }
        }));
}
