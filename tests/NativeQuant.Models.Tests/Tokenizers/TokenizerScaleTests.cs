using System.Diagnostics;
using NativeQuant.Models.Tokenizers;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Tokenizers;

/// <summary>Inputs that would take forever in a careless implementation: ten times the text may take about ten times as long, not a hundred.</summary>
[TestFixture]
[NonParallelizable]
public sealed class TokenizerScaleTests
{
    private const int Short = 100_000;
    private const double MaxRatio = 40;
    private readonly HfTokenizer tokenizer = SampleTokenizers.TinyLlama();

    [TestCase("a", TestName = "One word of a million equal letters")]
    [TestCase("abcde", TestName = "One word of a million letters")]
    [TestCase(" ", TestName = "A million spaces")]
    [TestCase("\n", TestName = "A million line breaks")]
    [TestCase("\u0301", TestName = "A million combining marks")]
    [TestCase("\u0323\u0301", TestName = "A million combining marks in the wrong order")]
    [TestCase("<|", TestName = "A million beginnings of a special token")]
    [TestCase("<|im_start|>", TestName = "Very many special tokens")]
    [TestCase("1", TestName = "A million digits")]
    [TestCase("'", TestName = "A million apostrophes")]
    public void Ten_times_the_text_takes_about_ten_times_as_long(string unit)
    {
        string small = Repeat(unit, Short);
        string large = Repeat(unit, 10 * Short);
        tokenizer.EncodeToIds(small);
        double smallTime = Time(small);
        double largeTime = Time(large);
        Assert.That(largeTime, Is.LessThan(Math.Max(1, MaxRatio * smallTime)), $"{smallTime * 1000:F1} ms for {Short}, {largeTime * 1000:F1} ms for {10 * Short}");
    }

    [Test]
    public void Normalizing_a_million_disordered_marks_is_not_quadratic()
    {
        string marks = Repeat("\u0323\u0301\u0338", 10 * Short);
        var watch = Stopwatch.StartNew();
        Assert.That(UnicodeNormalization.Normalize("a" + marks, UnicodeForm.C), Has.Length.EqualTo(marks.Length), "one mark is composed with the letter");
        Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(30)));
    }

    private static string Repeat(string unit, int length) => string.Concat(Enumerable.Repeat(unit, length / unit.Length));

    private double Time(string text)
    {
        double best = double.MaxValue;
        for (int i = 0; i < 3; i++)
        {
            var watch = Stopwatch.StartNew();
            tokenizer.EncodeToIds(text);
            best = Math.Min(best, watch.Elapsed.TotalSeconds);
        }

        return best;
    }
}
