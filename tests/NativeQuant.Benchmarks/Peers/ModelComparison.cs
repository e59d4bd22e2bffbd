using System.Text.Json;
using NativeQuant.Benchmarks.EndToEnd;

namespace NativeQuant.Benchmarks.Peers;

/// <summary>Runs the cases end to end and writes one JSON file for each.</summary>
internal sealed class ModelComparison(PeerFolder folder, string results)
{
    // llama.cpp keeps the embedding in the file's type too, but a token reads one row of it: 1 of 17 parts at this shape.
    private const double ReadOfLlamaFile = 1 - (65.5 / 1104);

    /// <summary>Runs one case.</summary>
    public ModelResult Run(ModelCase @case)
    {
        RandomCheckpoint.Make(folder.Checkpoint);
        List<Absentee> absent = [];
        List<(Entrant Entrant, Contestant Contestant)> present = [];
        try
        {
            string? missing = folder.WhyMissing("ggml");
            Entrant[] entrants = [.. @case.Entrants.Where(e => e.Library != "llama.cpp" || missing is null)];
            absent.AddRange(@case.Entrants.Except(entrants).Select(e => new Absentee(e.ToString(), missing!)));
            var started = new Contestant[entrants.Length];
            Parallel.For(0, started.Length, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, i => started[i] = Contestant.Start(folder.Model(entrants[i], @case.Threads)));
            present.AddRange(entrants.Zip(started));
            var result = new ModelResult(@case.Name, @case.Threads, @case.Request, @case.Busy, Machine.Here, DateTime.UtcNow, [.. Entries(@case, present)], absent);
            Directory.CreateDirectory(results);
            File.WriteAllText(Path.Combine(results, @case.Name + ".json"), JsonSerializer.Serialize(result, ResultFiles.Options));
            return result;
        }
        finally
        {
            present.ForEach(static p => p.Contestant.Dispose());
        }
    }

    private static IEnumerable<ModelEntry> Entries(ModelCase @case, List<(Entrant Entrant, Contestant Contestant)> present)
    {
        Contestant[] contestants = [.. present.Select(static p => p.Contestant)];
        IReadOnlyList<Sample>[] samples;
        using (BusyProcess? busy = @case.Busy ? new BusyProcess() : null)
        {
            samples = Rounds.Run(contestants, @case.Request, 3, 9, TimeSpan.FromSeconds(30));
        }
        for (int i = 0; i < present.Count; i++)
        {
            (Entrant entrant, Contestant contestant) = present[i];
            yield return new ModelEntry(
                entrant.Library, entrant.Type, contestant.Readiness.Version,
                entrant.Library == "llama.cpp" ? contestant.Readiness.Bytes * ReadOfLlamaFile : contestant.Readiness.Bytes,
                Statistics.Median(samples[i].Select(static s => s.Wall)),
                Statistics.Median(samples[i].Select(static s => s.Cpu)),
                Statistics.Median(samples[0].Zip(samples[i], (ours, theirs) => theirs.Time(@case.Threads) / ours.Time(@case.Threads))),
                samples[i].Count);
        }
    }
}
