namespace NativeQuant.Models.Tokenizers;

/// <summary>The merges of a BPE model: pair of token ids → rank and the id of the merged token.</summary>
/// <remarks>Open addressing with linear probing over two flat arrays: a merge looks pairs up more often than it does anything else.</remarks>
internal sealed class MergeTable
{
    private const ulong Empty = ulong.MaxValue;
    private ulong[] keys = NewKeys(1 << 12);
    private ulong[] values = new ulong[1 << 12];
    private int count;

    /// <summary>Adds a merge; a pair that is there already takes the new rank. Only while the table is being built.</summary>
    public void Set(int left, int right, int rank, int merged)
    {
        ulong key = Key(left, right);
        int slot = Find(key);
        if (keys[slot] == Empty)
        {
            if (2 * ++count > keys.Length)
            {
                Grow();
                slot = Find(key);
            }

            keys[slot] = key;
        }

        values[slot] = (ulong)(uint)rank << 32 | (uint)merged;
    }

    /// <summary>Gets the rank and the merged token; false where the pair does not merge.</summary>
    public bool TryGet(int left, int right, out int rank, out int merged)
    {
        int slot = Find(Key(left, right));
        ulong value = values[slot];
        rank = (int)(value >> 32);
        merged = (int)(uint)value;
        return keys[slot] != Empty;
    }

    private static ulong Key(int left, int right) => (ulong)(uint)left << 32 | (uint)right;

    private static ulong[] NewKeys(int size)
    {
        var fresh = new ulong[size];
        Array.Fill(fresh, Empty);
        return fresh;
    }

    private int Find(ulong key)
    {
        ulong[] table = keys;
        int mask = table.Length - 1;
        int slot = (int)(key * 0x9E3779B97F4A7C15 >> 32) & mask;
        while (table[slot] != key && table[slot] != Empty)
        {
            slot = (slot + 1) & mask;
        }

        return slot;
    }

    private void Grow()
    {
        (ulong[] oldKeys, ulong[] oldValues) = (keys, values);
        keys = NewKeys(oldKeys.Length * 4);
        values = new ulong[keys.Length];
        for (int i = 0; i < oldKeys.Length; i++)
        {
            if (oldKeys[i] != Empty)
            {
                int slot = Find(oldKeys[i]);
                (keys[slot], values[slot]) = (oldKeys[i], oldValues[i]);
            }
        }
    }
}
