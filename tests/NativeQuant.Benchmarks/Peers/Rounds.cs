using System.Diagnostics;

namespace NativeQuant.Benchmarks.Peers;

/// <summary>Takes samples from contestants in turn.</summary>
internal static class Rounds
{
    // Threads that wait by spinning give up within this time.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(15);

    /// <summary>Asks every contestant for a sample, again and again, each round beginning with another one.</summary>
    /// <param name="contestants">The contestants.</param>
    /// <param name="request">What to ask for.</param>
    /// <param name="least">Least rounds.</param>
    /// <param name="most">Most rounds.</param>
    /// <param name="time">No round begins after this time, once the least number is done.</param>
    /// <returns>The samples of each contestant, by round.</returns>
    public static IReadOnlyList<Sample>[] Run(IReadOnlyList<Contestant> contestants, string request, int least, int most, TimeSpan time)
    {
        List<Sample>[] samples = [.. contestants.Select(static _ => new List<Sample>())];
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < most && (round < least || Stopwatch.GetElapsedTime(start) < time); round++)
        {
            for (int i = 0; i < contestants.Count; i++)
            {
                int turn = (round + i) % contestants.Count;
                samples[turn].Add(contestants[turn].Ask(request));
                Thread.Sleep(Pause);
            }
        }
        return samples;
    }
}
