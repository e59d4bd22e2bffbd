namespace NativeQuant.Benchmarks.Peers;

/// <summary>Who takes part: a library and one of its weight types.</summary>
internal readonly record struct Entrant(string Library, string Type)
{
    /// <summary>Whether it is this library.</summary>
    public bool IsOurs => Library == "nativequant";

    /// <summary>Whether it is a limit of the machine rather than a product.</summary>
    public bool IsLimit => Library == "machine";

    public override string ToString() => $"{Library} {Type}";
}

/// <summary>One product that entrants are compared in: y[m, rows] = x[m, columns] * W[rows, columns]^T.</summary>
/// <param name="Name">A short name, unique.</param>
/// <param name="Rows">Rows of W.</param>
/// <param name="Columns">Columns of W.</param>
/// <param name="M">Rows of x. Up to 16 the weights rotate.</param>
/// <param name="Threads">Threads.</param>
/// <param name="Entrants">Who takes part; the first is the one that ratios are formed with.</param>
internal sealed record KernelCase(string Name, int Rows, int Columns, int M, int Threads, IReadOnlyList<Entrant> Entrants)
{
    /// <summary>Weights that an entrant walks through for a sample. The others' walks lie between two of its own, so no cache helps.</summary>
    public int RotateMebibytes => M == 1 ? 512 : 256;

    /// <summary>Our implementation, where it is not the best of the machine.</summary>
    public string? Implementation { get; init; }

    /// <summary>ggml's variant, where it is not the one it would choose.</summary>
    public string? GgmlVariant { get; init; }
}
