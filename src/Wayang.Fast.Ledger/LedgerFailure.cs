using Microsoft.Data.Sqlite;
using Wayang.Fast.Contracts.Errors;

namespace Wayang.Fast.Ledger;

/// <summary>Why the ledger does not store, in words for an operator, and whether it may again.</summary>
/// <param name="Problem">What is wrong and what to do.</param>
/// <param name="IsFinal">Trying again is no use: the file itself is the reason.</param>
internal sealed record LedgerFailure(string Problem, bool IsFinal = false)
{
    private const int Busy = 5;
    private const int ReadOnly = 8;
    private const int InputOutput = 10;
    private const int Corrupt = 11;
    private const int Full = 13;
    private const int CannotOpen = 14;
    private const int NoDatabase = 26;

    public static LedgerFailure Of(Exception failure, string path) => failure is SqliteException sqlite
        ? sqlite.SqliteErrorCode switch
        {
            Full => new($"the disk of {path} is full: make room, and it goes on by itself"),
            ReadOnly => new($"{path} cannot be written: its file system or file is read-only"),
            InputOutput => new($"the disk of {path} fails: {sqlite.Message}"),
            CannotOpen => new($"{path} cannot be opened: its directory must be there and belong to the daemon's user"),
            Busy => new($"{path} is in use by another program"),
            Corrupt or NoDatabase => new($"{path} is damaged ({sqlite.Message}): move it away to begin a new one, or bring back a copy", IsFinal: true),
            _ => new($"{path} fails: {sqlite.Message}"),
        }
        : new($"{path} cannot be used: {failure.Message}");

    public OperationError ToError() => new(
        ErrorCode.Unavailable, $"durable tasks cannot be stored now: {Problem}. Tasks that are not durable are served", "durable", IsFinal ? null : 1000);
}
