namespace Wayang.Fast.Execution.Completions;

/// <summary>
/// Those who may have something to be read, and how much of it one turn takes. A round goes on where the last one stopped, so each comes up
/// however much the others bring: behind at most so many bytes as a turn takes, and one share more. One thread.
/// </summary>
/// <typeparam name="T">Who is visited.</typeparam>
/// <param name="bytesPerTurn">A visit that begins below it may go over it by its own share.</param>
internal sealed class TurnRound<T>(int bytesPerTurn)
    where T : class
{
    private readonly List<T> _members = [];
    private int _next;
    private int _visits;
    private int _bytesLeft;

    public int Count => _members.Count;

    public T this[int index] => _members[index];

    /// <summary>The turn has not taken its bytes yet.</summary>
    public bool HasBytesLeft => _bytesLeft > 0;

    public void Add(T member) => _members.Add(member);

    public void Remove(T member)
    {
        var index = _members.IndexOf(member);
        if (index >= 0)
        {
            RemoveAt(index);
        }
    }

    public void RemoveAt(int index)
    {
        _members.RemoveAt(index);
        _next -= index < _next ? 1 : 0; // who is next stays next
    }

    /// <summary>From now on so many bytes, and a visit of each member.</summary>
    public void Begin()
    {
        _bytesLeft = bytesPerTurn;
        _visits = _members.Count;
    }

    /// <summary>What was read, of whomever.</summary>
    public void Spend(int bytes) => _bytesLeft -= bytes;

    /// <summary>Null: each had its visit, or the turn has taken its bytes. Follow it by <see cref="Keep"/> or <see cref="Drop"/>.</summary>
    public T? Visit()
    {
        if (_visits == 0 || _bytesLeft <= 0)
        {
            return null;
        }

        _visits--;
        if (_next >= _members.Count)
        {
            _next = 0;
        }

        return _members[_next];
    }

    /// <summary>The visited one has more: it stays.</summary>
    public void Keep() => _next++;

    /// <summary>The visited one was read to its end.</summary>
    public void Drop() => _members.RemoveAt(_next);
}
