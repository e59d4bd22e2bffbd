using NUnit.Framework;

namespace NativeQuant.Models.Tests;

[TestFixture]
public sealed class GenerationSessionTests : IDisposable
{
    private const int Vocabulary = 96;
    private const int Context = 128;

    private SyntheticModel _synthetic = null!;
    private CausalLM _model = null!;

    [OneTimeSetUp]
    public void Load()
    {
        _synthetic = new SyntheticModel(new SyntheticShape { Vocabulary = Vocabulary, Context = Context, ModelType = "mistral", Architecture = "MistralForCausalLM", Window = 20 });
        _model = CausalLM.Load(_synthetic.Folder);
    }

    public void Dispose()
    {
        _model.Dispose();
        _synthetic.Dispose();
    }

    [TestCase(1)]
    [TestCase(7)]
    [TestCase(32)]
    public void Passes_of_any_size_give_the_logits_of_one_pass(int chunkSize)
    {
        int[] ids = SyntheticModel.Ids(70, Vocabulary);
        using GenerationSession whole = new(_model, Context, Context);
        using GenerationSession pieces = new(_model, Context, chunkSize);
        float[] expected = new float[ids.Length * Vocabulary];
        float[] got = new float[expected.Length];
        whole.ForwardAll(ids, expected);
        pieces.ForwardAll(ids, got);
        Assert.That(got, Is.EqualTo(expected).Within(1e-4f));
    }

    [Test]
    public void Token_by_token_gives_the_logits_of_one_pass()
    {
        int[] ids = SyntheticModel.Ids(70, Vocabulary);
        using GenerationSession whole = _model.CreateSession();
        using GenerationSession single = _model.CreateSession();
        float[] expected = new float[ids.Length * Vocabulary];
        float[] got = new float[Vocabulary];
        whole.ForwardAll(ids, expected);
        for (int i = 0; i < ids.Length; i++)
        {
            single.Forward(ids.AsSpan(i, 1), got);
            Assert.That(got, Is.EqualTo(expected[(i * Vocabulary)..((i + 1) * Vocabulary)]).Within(1e-4f), $"after token {i}");
        }
        Assert.That(single.Position, Is.EqualTo(ids.Length));
        Assert.That(single.Tokens.ToArray(), Is.EqualTo(ids));
    }

    [Test]
    public void Scores_are_the_log_softmax_of_the_logits()
    {
        int[] ids = SyntheticModel.Ids(50, Vocabulary);
        int[] targets = SyntheticModel.Ids(50, Vocabulary, seed: 8);
        using GenerationSession session = new(_model, Context, 16);
        float[] logits = new float[ids.Length * Vocabulary];
        float[] scores = new float[ids.Length];
        session.ForwardAll(ids, logits);
        session.Reset();
        session.Score(ids, targets, scores);
        for (int i = 0; i < ids.Length; i++)
        {
            double[] row = [.. logits.Skip(i * Vocabulary).Take(Vocabulary).Select(value => (double)value)];
            double expected = row[targets[i]] - Math.Log(row.Sum(Math.Exp));
            Assert.That(scores[i], Is.EqualTo(expected).Within(1e-5), $"token {i}");
        }
    }

    [Test]
    public void A_truncated_session_goes_on_as_if_the_rest_had_never_been()
    {
        int[] ids = SyntheticModel.Ids(60, Vocabulary);
        using GenerationSession session = _model.CreateSession();
        float[] expected = new float[Vocabulary];
        float[] got = new float[Vocabulary];
        session.Forward(ids.AsSpan(0, 40), expected);
        session.Forward(ids.AsSpan(40), got);
        session.Truncate(39);
        Assert.That(session.Position, Is.EqualTo(39));
        session.Forward(ids.AsSpan(39, 1), got);
        Assert.That(got, Is.EqualTo(expected).Within(1e-5f));

        session.Reset();
        Assert.That(session.Position, Is.Zero);
        session.Forward(ids.AsSpan(0, 40), got);
        Assert.That(got, Is.EqualTo(expected));
    }

    [Test]
    public void A_forward_without_room_for_logits_only_fills_the_cache()
    {
        int[] ids = SyntheticModel.Ids(20, Vocabulary);
        using GenerationSession session = _model.CreateSession();
        using GenerationSession other = _model.CreateSession();
        float[] expected = new float[Vocabulary];
        float[] got = new float[Vocabulary];
        session.Forward(ids.AsSpan(0, 19), []);
        session.Forward(ids.AsSpan(19), got);
        other.Forward(ids, expected);
        Assert.That(got, Is.EqualTo(expected).Within(1e-4f));
    }

    [Test]
    public void An_empty_prompt_is_refused()
    {
        using GenerationSession session = _model.CreateSession();
        Assert.That(() => session.Forward([], []), Throws.ArgumentException.With.Message.Contains("at least one token; got none"));
        Assert.That(() => session.GenerateAsync(ReadOnlyMemory<int>.Empty), Throws.ArgumentException.With.Message.Contains("at least one token"));
    }

    [Test]
    public void A_prompt_longer_than_the_context_is_refused_with_both_lengths()
    {
        using GenerationSession session = _model.CreateSession();
        Assert.That(
            () => session.Forward(new int[Context + 1], []),
            Throws.ArgumentException.With.Message.Contains($"at most {Context} tokens").And.Message.Contains($"got {Context + 1}"));
        session.Forward(new int[100], []);
        Assert.That(() => session.Forward(new int[29], []), Throws.ArgumentException.With.Message.Contains("at most 28 tokens").And.Message.Contains("after 100"));
    }

    [TestCase(-1)]
    [TestCase(Vocabulary)]
    public void A_token_outside_the_vocabulary_is_refused(int id)
    {
        using GenerationSession session = _model.CreateSession();
        Assert.That(() => session.Forward([0, id], []), Throws.ArgumentException.With.Message.Contains($"Token 1: expected an id from 0 to {Vocabulary - 1}; got {id}"));
    }

    [Test]
    public void Logits_of_the_wrong_length_are_refused()
    {
        using GenerationSession session = _model.CreateSession();
        Assert.That(() => session.Forward([0], new float[Vocabulary - 1]), Throws.ArgumentException.With.Message.Contains($"expected {Vocabulary} elements; got {Vocabulary - 1}"));
        Assert.That(() => session.ForwardAll([0, 1], new float[Vocabulary]), Throws.ArgumentException.With.Message.Contains($"expected {2 * Vocabulary}"));
        Assert.That(() => session.Score([0, 1], [0], new float[2]), Throws.ArgumentException.With.Message.Contains("Targets"));
    }

    [TestCase(0)]
    [TestCase(Context + 1)]
    public void A_capacity_outside_the_context_is_refused(int capacity) =>
        Assert.That(() => _model.CreateSession(capacity), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains($"1 to {Context}"));

    [TestCase(-1)]
    [TestCase(4)]
    public void Truncating_to_more_than_is_held_is_refused(int length)
    {
        using GenerationSession session = _model.CreateSession();
        session.Forward([1, 2, 3], []);
        Assert.That(() => session.Truncate(length), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("0 to 3"));
    }

    [Test]
    public void A_cancelled_forward_leaves_the_session_as_it_was()
    {
        int[] ids = SyntheticModel.Ids(60, Vocabulary);
        using GenerationSession session = new(_model, Context, 8);
        session.Forward(ids.AsSpan(0, 20), []);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.That(() => session.Forward(ids.AsSpan(20), [], cancelled.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(session.Position, Is.EqualTo(20));

        float[] got = new float[Vocabulary];
        float[] expected = new float[Vocabulary];
        session.Forward(ids.AsSpan(20), got);
        using GenerationSession other = _model.CreateSession();
        other.Forward(ids, expected);
        Assert.That(got, Is.EqualTo(expected).Within(1e-4f));
    }

    [Test]
    public void Cancelling_inside_a_prompt_leaves_the_session_as_it_was()
    {
        int[] ids = SyntheticModel.Ids(Context, Vocabulary);
        using GenerationSession session = new(_model, Context, 8);
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        int completed = 0;
        Assert.That(
            () =>
            {
                // Prompt after prompt, until the token strikes within one.
                while (true)
                {
                    session.Forward(ids, [], cancellation.Token);
                    session.Reset();
                    completed++;
                }
            },
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(session.Position, Is.Zero);

        float[] got = new float[Vocabulary];
        float[] expected = new float[Vocabulary];
        session.Forward(ids, got);
        using GenerationSession other = new(_model, Context, 8);
        other.Forward(ids, expected);
        Assert.That(got, Is.EqualTo(expected), $"after {completed} whole prompts");
    }

    [Test]
    public void A_disposed_session_says_so()
    {
        GenerationSession session = _model.CreateSession();
        session.Dispose();
        session.Dispose();
        Assert.That(() => session.Forward([1], []), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Sessions_on_several_threads_share_one_model()
    {
        int[][] prompts = [.. Enumerable.Range(0, 6).Select(i => SyntheticModel.Ids(30 + i, Vocabulary, seed: 100 + i))];
        float[][] expected = [.. prompts.Select(Last)];
        float[][] got = new float[prompts.Length][];
        Parallel.For(0, prompts.Length, new ParallelOptions { MaxDegreeOfParallelism = prompts.Length }, i => got[i] = Last(prompts[i]));
        Assert.That(got, Is.EqualTo(expected));

        float[] Last(int[] ids)
        {
            using GenerationSession session = _model.CreateSession();
            float[] logits = new float[Vocabulary];
            foreach (int id in ids)
            {
                session.Forward([id], logits);
            }
            return logits;
        }
    }
}
