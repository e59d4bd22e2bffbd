using System.Collections.Concurrent;
using System.Text.Json;

namespace NativeQuant.Benchmarks.Peers;

/// <summary>Runs the cases and writes one JSON file for each.</summary>
internal sealed class KernelComparison(PeerFolder folder, string results)
{
    /// <summary>What makes a result suspect: more than the rounding of any type compared here (4 bits: 0.05 to 0.1).</summary>
    private const double LargestError = 0.2;

    /// <summary>Runs one case.</summary>
    public KernelResult Run(KernelCase product)
    {
        ConcurrentBag<Absentee> absent = [];
        List<(Entrant Entrant, Contestant Contestant)> present = [];
        try
        {
            // Making the weights takes most of the time, so several do it at once; nothing is measured until all are ready.
            var started = new Contestant?[product.Entrants.Count];
            Parallel.For(0, started.Length, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, i => started[i] = Start(product.Entrants[i], product, absent));
            for (int i = 0; i < started.Length; i++)
            {
                if (started[i] is { } contestant)
                {
                    present.Add((product.Entrants[i], contestant));
                }
            }
            IReadOnlyList<Sample>[] samples = Rounds.Run([.. present.Select(static p => p.Contestant)], "", 7, 31, TimeSpan.FromSeconds(8));
            var result = new KernelResult(
                product.Name, product.Rows, product.Columns, product.M, product.Threads, Machine.Here, DateTime.UtcNow, [.. Entries(product, present, samples)], [.. absent]);
            Directory.CreateDirectory(results);
            File.WriteAllText(Path.Combine(results, product.Name + ".json"), JsonSerializer.Serialize(result, ResultFiles.Options));
            return result;
        }
        finally
        {
            present.ForEach(static p => p.Contestant.Dispose());
        }
    }

    private Contestant? Start(Entrant entrant, KernelCase product, ConcurrentBag<Absentee> absent)
    {
        if (folder.WhyMissing(entrant.Library) is { } reason)
        {
            absent.Add(new(entrant.ToString(), reason));
            return null;
        }
        Contestant contestant;
        try
        {
            contestant = Contestant.Start(folder.Kernel(entrant, product));
        }
        catch (InvalidOperationException failure)
        {
            absent.Add(new(entrant.ToString(), failure.Message));
            return null;
        }
        if (contestant.Readiness.Error < LargestError)
        {
            return contestant;
        }
        absent.Add(new(entrant.ToString(), $"its result is wrong: relative error {contestant.Readiness.Error}"));
        contestant.Dispose();
        return null;
    }

    private IEnumerable<KernelEntry> Entries(KernelCase product, List<(Entrant Entrant, Contestant Contestant)> present, IReadOnlyList<Sample>[] samples)
    {
        for (int i = 0; i < present.Count; i++)
        {
            (Entrant entrant, Contestant contestant) = present[i];
            Readiness readiness = contestant.Readiness;
            string version = folder.NotedVersion(entrant.Library) is { } noted ? $"{readiness.Version} {noted}" : readiness.Version;
            yield return new KernelEntry(
                entrant.Library, entrant.Type, version, readiness.Detail, readiness.Bytes, readiness.Error,
                Statistics.Median(samples[i].Select(static s => s.Wall)),
                Statistics.Median(samples[i].Select(static s => s.Cpu)),
                Statistics.Median(samples[0].Zip(samples[i], (ours, theirs) => ours.Time(product.Threads) / theirs.Time(product.Threads))),
                samples[i].Count);
        }
    }
}
