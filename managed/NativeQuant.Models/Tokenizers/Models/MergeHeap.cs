namespace NativeQuant.Models.Tokenizers;

/// <summary>A binary min-heap of (rank, position), packed into one number so that a comparison is one instruction.</summary>
internal struct MergeHeap(int capacity)
{
    private ulong[] items = new ulong[Math.Max(16, capacity)];
    private int count;

    public void Push(int rank, int position)
    {
        if (count == items.Length)
        {
            Array.Resize(ref items, checked(count * 2));
        }

        ulong item = (ulong)(uint)rank << 32 | (uint)position;
        int hole = count++;
        while (hole > 0 && items[(hole - 1) / 2] > item)
        {
            items[hole] = items[(hole - 1) / 2];
            hole = (hole - 1) / 2;
        }

        items[hole] = item;
    }

    public bool TryPop(out int rank, out int position)
    {
        if (count == 0)
        {
            (rank, position) = (0, 0);
            return false;
        }

        (rank, position) = ((int)(items[0] >> 32), (int)(uint)items[0]);
        ulong last = items[--count];
        int hole = 0;
        for (int child; (child = 2 * hole + 1) < count; hole = child)
        {
            if (child + 1 < count && items[child + 1] < items[child])
            {
                child++;
            }

            if (items[child] >= last)
            {
                break;
            }

            items[hole] = items[child];
        }

        items[hole] = last;
        return true;
    }
}
