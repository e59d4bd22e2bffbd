using NUnit.Framework;

namespace NativeQuant.Models.Tests;

[TestFixture]
public sealed class PerplexityTests : IDisposable
{
    private const int Vocabulary = 96;

    private readonly SyntheticModel _synthetic = new(new SyntheticShape { Vocabulary = Vocabulary, Context = 64 });
    private readonly CausalLM _model;

    public PerplexityTests() => _model = CausalLM.Load(_synthetic.Folder);

    public void Dispose()
    {
        _model.Dispose();
        _synthetic.Dispose();
    }

    [Test]
    public void Every_window_is_fed_after_BOS_and_all_its_tokens_are_scored()
    {
        const int Window = 10;
        int[] ids = SyntheticModel.Ids(37, Vocabulary);
        double nats = 0;
        for (int i = 0; i < 3; i++)
        {
            int[] scored = ids[(i * Window)..((i + 1) * Window)];
            int[] fed = [1, .. scored[..^1]];
            double[][] logits = new PlainForward(_synthetic).Logits(fed);
            nats += scored.Select((id, t) => Math.Log(logits[t].Sum(Math.Exp)) - logits[t][id]).Sum();
        }
        PerplexityResult result = Perplexity.Measure(_model, ids, new PerplexityOptions { Window = Window });
        Assert.That(result.ScoredTokens, Is.EqualTo(30));
        Assert.That(result.MeanNats, Is.EqualTo(nats / 30).Within(1e-5));
        Assert.That(result.Perplexity, Is.EqualTo(Math.Exp(nats / 30)).Within(1e-3).Percent);
    }

    [Test]
    public void The_default_window_is_the_context_where_that_is_below_256() =>
        Assert.That(Perplexity.Measure(_model, SyntheticModel.Ids(130, Vocabulary)).Window, Is.EqualTo(64));

    [Test]
    public void Progress_tells_every_window_and_a_limit_on_them_holds()
    {
        var progress = new List<PerplexityProgress>();
        PerplexityResult result = Perplexity.Measure(
            _model, SyntheticModel.Ids(100, Vocabulary), new PerplexityOptions { Window = 10, MaxWindows = 4 }, new Reporter<PerplexityProgress>(progress.Add));
        Assert.That(progress.Select(step => (step.CompletedWindows, step.TotalWindows)), Is.EqualTo(new[] { (1, 4), (2, 4), (3, 4), (4, 4) }));
        Assert.That(progress[^1].Perplexity, Is.EqualTo(result.Perplexity));
    }

    [Test]
    public void Cancelling_stops_the_measurement()
    {
        using var cancellation = new CancellationTokenSource();
        int windows = 0;
        var reporter = new Reporter<PerplexityProgress>(_ =>
        {
            windows++;
            cancellation.Cancel();
        });
        Assert.That(
            () => Perplexity.Measure(_model, SyntheticModel.Ids(100, Vocabulary), new PerplexityOptions { Window = 10 }, reporter, cancellation.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(windows, Is.EqualTo(1));
    }

    [TestCase(0, null, "1 to 64")]
    [TestCase(65, null, "1 to 64")]
    [TestCase(10, 0, "at least 1; got 0")]
    public void Options_out_of_range_are_refused(int window, int? maxWindows, string message) =>
        Assert.That(
            () => Perplexity.Measure(_model, SyntheticModel.Ids(100, Vocabulary), new PerplexityOptions { Window = window, MaxWindows = maxWindows }),
            Throws.ArgumentException.With.Message.Contains(message));

    [Test]
    public void A_text_shorter_than_a_window_is_refused() =>
        Assert.That(
            () => Perplexity.Measure(_model, SyntheticModel.Ids(9, Vocabulary), new PerplexityOptions { Window = 10 }),
            Throws.ArgumentException.With.Message.Contains("at least 10 tokens").And.Message.Contains("got 9"));
}
