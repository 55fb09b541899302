namespace Wayang.Fast.Execution.Workers;

/// <summary>
/// All call workers by id. The low 16 bits of an id are a place, the rest a serial number that is never reused: a late
/// event of a dead worker finds nothing. Added and removed by the supervisor; read by any thread.
/// </summary>
internal sealed class WorkerTable
{
    public const int Capacity = 65536;

    private readonly CallWorker?[] _places = new CallWorker?[Capacity];
    private readonly Stack<int> _free = new();
    private int _next;
    private ulong _serial;

    public int Count { get; private set; }

    /// <summary>A fresh id, for a worker or a command. Supervisor only. Returns 0 when all places are taken.</summary>
    public ulong NewId()
    {
        if (!_free.TryPop(out var place))
        {
            if (_next == Capacity)
            {
                return 0;
            }

            place = _next++;
        }

        Count++;
        return (++_serial << 16) | (uint)place;
    }

    public void Add(CallWorker worker) => Volatile.Write(ref _places[worker.Id & 0xFFFF], worker);

    /// <summary>Frees an id's place. Supervisor only.</summary>
    public void Remove(ulong id)
    {
        var place = (int)(id & 0xFFFF);
        Volatile.Write(ref _places[place], null);
        _free.Push(place);
        Count--;
    }

    public CallWorker? Find(ulong id)
    {
        var worker = Volatile.Read(ref _places[id & 0xFFFF]);
        return worker is not null && worker.Id == id ? worker : null;
    }

    public CallWorker? At(int place) => Volatile.Read(ref _places[place & 0xFFFF]);

    /// <summary>The workers of now; a momentary view.</summary>
    public IEnumerable<CallWorker> All()
    {
        var end = Volatile.Read(ref _next);
        for (var i = 0; i < end; i++)
        {
            if (Volatile.Read(ref _places[i]) is { } worker)
            {
                yield return worker;
            }
        }
    }
}
