using System.Diagnostics;
using NUnit.Framework;

namespace NativeQuant.Models.Tests;

// On the sample model: text in, text out.
[TestFixture]
public sealed class GenerationTests : IDisposable
{
    private const string Prompt = "It was a dark and stormy night, and the old man";

    private CausalLM _model = null!;

    [OneTimeSetUp]
    public void Load() => _model = CausalLM.Load(Repository.TinyLlama);

    public void Dispose() => _model.Dispose();

    [Test]
    public async Task Greedy_text_is_what_the_ids_decode_to()
    {
        List<GeneratedToken> tokens = await GenerateAsync(new GenerationOptions { MaxNewTokens = 24 });
        Assert.That(tokens, Has.Count.EqualTo(24));
        Assert.That(tokens.Take(23).Select(token => token.FinishReason), Is.All.Null);
        Assert.That(tokens[^1].FinishReason, Is.EqualTo(FinishReason.MaxNewTokens));
        Assert.That(tokens.Select(token => token.LogProbability), Is.All.InRange(-20, 0));
        Assert.That(Text(tokens), Is.EqualTo(_model.Tokenizer!.Decode(tokens.Select(token => token.Id))));
    }

    [Test]
    public async Task Log_probabilities_are_those_of_the_model()
    {
        int[] prompt = [.. _model.Tokenizer!.EncodeToIds(Prompt)];
        List<GeneratedToken> tokens = await GenerateAsync(new GenerationOptions { MaxNewTokens = 8, DoSample = true, Temperature = 1.7f, Seed = 3 });
        using GenerationSession session = _model.CreateSession();
        int[] fed = [.. prompt, .. tokens.Select(token => token.Id).SkipLast(1)];
        int[] scored = [.. fed.Skip(1), tokens[^1].Id];
        float[] scores = new float[fed.Length];
        session.Score(fed, scored, scores);
        Assert.That(tokens.Select(token => token.LogProbability), Is.EqualTo(scores.TakeLast(8)).Within(1e-3f));
    }

    [Test]
    public async Task The_same_seed_gives_the_same_text()
    {
        var options = new GenerationOptions { MaxNewTokens = 20, DoSample = true, Temperature = 1.2f, TopP = 0.95f, Seed = 11 };
        string first = Text(await GenerateAsync(options));
        Assert.That(Text(await GenerateAsync(options)), Is.EqualTo(first));
        Assert.That(Text(await GenerateAsync(options with { Seed = 12 })), Is.Not.EqualTo(first));
    }

    [Test]
    public async Task The_asynchronous_and_the_synchronous_way_give_the_same_tokens()
    {
        var options = new GenerationOptions { MaxNewTokens = 12 };
        List<GeneratedToken> tokens = await GenerateAsync(options);
        using GenerationSession session = _model.CreateSession();
        Assert.That(session.Generate(Prompt, options), Is.EqualTo(tokens));
    }

    [Test]
    public async Task A_stop_string_across_tokens_ends_the_text_before_it()
    {
        string text = Text(await GenerateAsync(new GenerationOptions { MaxNewTokens = 24 }));
        // From the middle of one word into the next, so that it cannot be a single token.
        int space = text.IndexOf(' ', text.Length / 2);
        string stop = text.Substring(space - 1, 3);
        List<GeneratedToken> tokens = await GenerateAsync(new GenerationOptions { MaxNewTokens = 24, StopStrings = [stop] });
        Assert.That(tokens[^1].FinishReason, Is.EqualTo(FinishReason.StopString));
        Assert.That(Text(tokens), Is.EqualTo(text[..text.IndexOf(stop, StringComparison.Ordinal)]));
    }

    [Test]
    public async Task An_end_of_sequence_id_ends_the_generation()
    {
        List<GeneratedToken> free = await GenerateAsync(new GenerationOptions { MaxNewTokens = 10 });
        int eos = free[5].Id;
        int first = free.FindIndex(token => token.Id == eos);
        List<GeneratedToken> tokens = await GenerateAsync(new GenerationOptions { MaxNewTokens = 10, EosTokenIds = [eos] });
        Assert.That(tokens, Has.Count.EqualTo(first + 1));
        Assert.That(tokens[^1].FinishReason, Is.EqualTo(FinishReason.EndOfSequence));
        Assert.That(Text(tokens), Is.EqualTo(Text(free.Take(first))));
    }

    [Test]
    public void Generation_stops_when_the_context_is_full()
    {
        using GenerationSession session = _model.CreateSession(capacity: 20);
        int[] prompt = [.. _model.Tokenizer!.EncodeToIds(Prompt)];
        GeneratedToken[] tokens = [.. session.Generate(prompt, new GenerationOptions { MaxNewTokens = 100 })];
        // The last token need not fit: it is not fed.
        Assert.That(tokens, Has.Length.EqualTo(20 - prompt.Length + 1));
        Assert.That(tokens[^1].FinishReason, Is.EqualTo(FinishReason.ContextFull));
        Assert.That(session.Position, Is.EqualTo(20));
    }

    [Test]
    public async Task A_repetition_penalty_changes_greedy_text()
    {
        string plain = Text(await GenerateAsync(new GenerationOptions { MaxNewTokens = 40 }));
        string penalized = Text(await GenerateAsync(new GenerationOptions { MaxNewTokens = 40, RepetitionPenalty = 1.5f }));
        Assert.That(penalized.Split(' ').Distinct().Count(), Is.GreaterThan(plain.Split(' ').Distinct().Count()));
    }

    [Test]
    public async Task A_conversation_goes_on_where_it_stopped()
    {
        var options = new GenerationOptions { MaxNewTokens = 6 };
        using GenerationSession session = _model.CreateSession();
        List<GeneratedToken> first = await ReadAsync(session.GenerateAsync(Prompt, options));
        int[] more = [first[^1].Id, .. _model.Tokenizer!.EncodeToIds(" and then", addSpecialTokens: false)];
        List<GeneratedToken> second = await ReadAsync(session.GenerateAsync(more, options));

        int[] all = [.. _model.Tokenizer.EncodeToIds(Prompt), .. first.Select(token => token.Id), .. more.Skip(1)];
        using GenerationSession fresh = _model.CreateSession();
        Assert.That((await ReadAsync(fresh.GenerateAsync(all, options))).Select(token => token.Id), Is.EqualTo(second.Select(token => token.Id)));
    }

    [Test]
    public async Task Leaving_the_loop_frees_the_session_for_the_next_call()
    {
        using GenerationSession session = _model.CreateSession();
        await foreach (GeneratedToken token in session.GenerateAsync(Prompt))
        {
            if (token.Text.Length > 0)
            {
                break;
            }
        }
        session.Reset();
        Assert.That(session.Generate(Prompt, new GenerationOptions { MaxNewTokens = 2 }).Count(), Is.EqualTo(2));
    }

    [Test]
    public async Task A_session_refuses_a_second_call_while_one_runs()
    {
        using GenerationSession session = _model.CreateSession();
        await using IAsyncEnumerator<GeneratedToken> running = session.GenerateAsync(Prompt).GetAsyncEnumerator();
        Assert.That(await running.MoveNextAsync(), Is.True);
        Assert.That(() => session.Forward([1], []), Throws.InvalidOperationException.With.Message.Contains("in use"));
        Assert.That(async () => await ReadAsync(session.GenerateAsync(Prompt)), Throws.InvalidOperationException);
    }

    [Test]
    public void Cancelling_before_the_prompt_is_through_throws_and_leaves_the_session_empty()
    {
        using GenerationSession session = _model.CreateSession();
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();
        Assert.That(async () => await ReadAsync(session.GenerateAsync(Prompt, null, cancellation.Token)), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(session.Position, Is.Zero);
    }

    [Test]
    public async Task Cancelling_in_the_middle_throws_soon()
    {
        using GenerationSession session = _model.CreateSession();
        using var cancellation = new CancellationTokenSource();
        var stopwatch = new Stopwatch();
        Assert.That(
            async () =>
            {
                await foreach (GeneratedToken token in session.GenerateAsync(Prompt, new GenerationOptions { MaxNewTokens = 200 }).WithCancellation(cancellation.Token))
                {
                    if (!cancellation.IsCancellationRequested)
                    {
                        stopwatch.Start();
                        await cancellation.CancelAsync();
                    }
                }
            },
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(stopwatch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(5)));
        session.Reset();
        Assert.That(session.Generate(Prompt, new GenerationOptions { MaxNewTokens = 2 }).Count(), Is.EqualTo(2));
        await Task.CompletedTask;
    }

    [Test]
    public void Stop_strings_need_a_tokenizer()
    {
        using CausalLM model = CausalLM.Load(Repository.TinyLlama, new LoadOptions { LoadTokenizer = false });
        using GenerationSession session = model.CreateSession();
        Assert.That(() => session.GenerateAsync(new[] { 1 }, new GenerationOptions { StopStrings = ["x"] }), Throws.InvalidOperationException.With.Message.Contains("tokenizer"));
        Assert.That(() => session.GenerateAsync("text"), Throws.InvalidOperationException.With.Message.Contains("tokenizer"));
        Assert.That(session.Generate(new[] { 1 }, new GenerationOptions { MaxNewTokens = 2 }).Select(token => token.Text), Is.All.Empty);
    }

    public static IEnumerable<TestCaseData> Formats() =>
    [
        new TestCaseData(null).SetArgDisplayNames("as stored"),
        new TestCaseData(new QuantizationConfig { LoadIn4Bit = true, Bnb4BitQuantType = QuantType.NF4, Bnb4BitUseDoubleQuant = true }).SetArgDisplayNames("NF4, nested"),
        new TestCaseData(new QuantizationConfig { LoadIn4Bit = true, Bnb4BitQuantType = QuantType.FP4, Bnb4BitComputeType = DataType.BFloat16 }).SetArgDisplayNames("FP4, bfloat16"),
        new TestCaseData(new QuantizationConfig { LoadIn8Bit = true }).SetArgDisplayNames("LLM.int8()"),
    ];

    [TestCaseSource(nameof(Formats))]
    public void A_steady_step_allocates_nothing_but_its_text(QuantizationConfig? quantization)
    {
        using CausalLM model = CausalLM.Load(Repository.TinyLlama, new LoadOptions { Quantization = quantization });
        using GenerationSession session = model.CreateSession();
        GenerationRun run = session.CreateRun([.. model.Tokenizer!.EncodeToIds(Prompt)], new GenerationOptions
        {
            MaxNewTokens = 200,
            EosTokenIds = [],
            DoSample = true,
            TopK = 40,
            TopP = 0.9f,
            MinP = 0.01f,
            RepetitionPenalty = 1.1f,
            Seed = 1,
        });
        for (int i = 0; i < 30; i++)
        {
            Assert.That(run.Step(out _, CancellationToken.None), Is.True);
        }
        for (int i = 0; i < 60; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            run.Step(out GeneratedToken token, CancellationToken.None);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            // A string: header, length, characters and terminator, in steps of 8 bytes.
            long text = token.Text.Length == 0 ? 0 : (22 + 2 * token.Text.Length + 7) / 8 * 8;
            Assert.That(allocated, Is.LessThanOrEqualTo(text), $"step {i}, text '{token.Text}'");
        }
    }

    private async Task<List<GeneratedToken>> GenerateAsync(GenerationOptions options)
    {
        using GenerationSession session = _model.CreateSession();
        return await ReadAsync(session.GenerateAsync(Prompt, options));
    }

    private static async Task<List<GeneratedToken>> ReadAsync(IAsyncEnumerable<GeneratedToken> tokens)
    {
        List<GeneratedToken> list = [];
        await foreach (GeneratedToken token in tokens)
        {
            list.Add(token);
        }
        return list;
    }

    private static string Text(IEnumerable<GeneratedToken> tokens) => string.Concat(tokens.Select(token => token.Text));
}
