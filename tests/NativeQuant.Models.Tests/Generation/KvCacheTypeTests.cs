using NUnit.Framework;

namespace NativeQuant.Models.Tests;

// Keys and values in f32, bf16 and int8, on the sample model.
[TestFixture]
public sealed class KvCacheTypeTests : IDisposable
{
    private const string Prompt = "It was a dark and stormy night, and the old man";

    private CausalLM _model = null!;

    [OneTimeSetUp]
    public void Load() => _model = CausalLM.Load(Repository.TinyLlama);

    public void Dispose() => _model.Dispose();

    [Test]
    public void Sessions_hold_f32_unless_told_otherwise()
    {
        using GenerationSession session = _model.CreateSession();
        Assert.That(_model.KvCacheType, Is.EqualTo(DataType.Float32));
        Assert.That(session.KvCacheType, Is.EqualTo(DataType.Float32));
    }

    [Test]
    public void The_greedy_text_in_bf16_is_that_in_f32() =>
        Assert.That(Continue(DataType.BFloat16), Is.EqualTo(Continue(DataType.Float32)).And.Length.EqualTo(32));

    [TestCase(DataType.BFloat16, 0.1)]
    [TestCase(DataType.Int8, 0.5)]
    public void Perplexity_in_a_narrow_cache_stays_near_that_in_f32(DataType type, double percent)
    {
        ReferenceModel reference = ReferenceModel.All[0];
        int[]? ids = reference.Texts.Select(text => text.Ids).FirstOrDefault(ids => ids is not null);
        Skip.Unless(ids is not null, "no text of the reference is there.");
        double[] perplexities = new double[2];
        foreach ((int i, DataType cache) in new[] { (0, DataType.Float32), (1, type) })
        {
            using CausalLM model = CausalLM.Load(reference.Folder, new LoadOptions { KvCacheType = cache, LoadTokenizer = false });
            perplexities[i] = Perplexity.Measure(model, ids, new PerplexityOptions { Window = 128, MaxWindows = 16 }).Perplexity;
        }
        TestContext.Out.WriteLine($"{perplexities[1]:f6}, in f32 {perplexities[0]:f6}, difference {100 * (perplexities[1] / perplexities[0] - 1):f4} %");
        Assert.That(perplexities[1], Is.EqualTo(perplexities[0]).Within(percent).Percent.And.Not.EqualTo(perplexities[0]));
    }

    [TestCase(DataType.Float32, 4, 0)]
    [TestCase(DataType.BFloat16, 2, 0)]
    [TestCase(DataType.Int8, 1, 8)]
    public void Memory_is_taken_in_pages_of_64_positions(DataType type, int elementBytes, int scaleBytes)
    {
        AttentionDescription attention = _model.Decoder.Description.Attention;
        Assert.That(attention.HeadDim % 16, Is.Zero);
        long position = _model.Decoder.Description.AttentionWindows.Count * attention.KeyValueHeads * ((2L * attention.HeadDim * elementBytes) + scaleBytes);
        using GenerationSession session = _model.CreateSession(kvCacheType: type);
        Assert.That(session.KvCacheBytes, Is.Zero);
        session.Forward(SyntheticModel.Ids(64, _model.VocabularySize), []);
        Assert.That(session.KvCacheBytes, Is.EqualTo(64 * position));
        session.Forward(SyntheticModel.Ids(1, _model.VocabularySize), []);
        Assert.That(session.KvCacheBytes, Is.EqualTo(2 * 64 * position));
        session.Truncate(64);
        Assert.That(session.KvCacheBytes, Is.EqualTo(64 * position));
    }

    [TestCase(DataType.Float16)]
    [TestCase(DataType.UInt8)]
    public void Types_that_no_cache_holds_are_refused(DataType type)
    {
        Assert.That(() => _model.CreateSession(kvCacheType: type), Throws.ArgumentException.With.Message.Contains("Float32, BFloat16 or Int8").And.Message.Contains($"got {type}"));
        Assert.That(() => CausalLM.Load(Repository.TinyLlama, new LoadOptions { KvCacheType = type }), Throws.ArgumentException.With.Message.Contains($"got {type}"));
    }

    private int[] Continue(DataType type)
    {
        using GenerationSession session = _model.CreateSession(kvCacheType: type);
        return [.. session.Generate(Prompt, new GenerationOptions { MaxNewTokens = 32, EosTokenIds = [] }).Select(token => token.Id)];
    }
}
