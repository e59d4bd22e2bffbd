namespace NativeQuant.Tests;

// Comparison of computed numbers.
internal static class Closeness
{
    // |expected - actual| at most `tolerance` times the largest |expected|.
    public static void AssertRelativeToLargest(string what, float[] expected, float[] actual, double tolerance)
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length), what);
        double largest = expected.Max(value => Math.Abs((double)value));
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.That(actual[i], Is.EqualTo((double)expected[i]).Within(tolerance * largest), $"{what}, element {i}; the largest is {largest}");
        }
    }

    // Norm of the difference at most `tolerance` times the norm of what is expected.
    public static void AssertRelativeNorm(string what, double[] expected, float[] actual, double tolerance)
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length), what);
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            difference += (expected[i] - actual[i]) * (expected[i] - actual[i]);
            norm += expected[i] * expected[i];
        }

        Assert.That(norm, Is.GreaterThan(0), $"{what}: the reference is not all zero");
        Assert.That(Math.Sqrt(difference / norm), Is.LessThanOrEqualTo(tolerance), $"{what}: relative error");
    }
}
