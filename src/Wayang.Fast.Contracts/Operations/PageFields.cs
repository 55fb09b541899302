namespace Wayang.Fast.Contracts.Operations;

/// <summary>What the operations have that list page by page: where a page begins, and where the next one does.</summary>
internal static class PageFields
{
    private const int MaxCursor = 256;

    public static RequestField Cursor { get; } =
        new("cursor", FieldType.Text, "The next of the page before: goes on behind it. Absent: from the beginning.") { Min = 1, Max = MaxCursor };

    public static ResponseField Next { get; } = new("next", "text", "There is more: to be given as cursor. Absent: that was all.", Optional: true);
}
