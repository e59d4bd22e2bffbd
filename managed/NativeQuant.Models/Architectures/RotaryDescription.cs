namespace NativeQuant.Models;

/// <summary>Frequencies of a rotary position embedding (arXiv 2104.09864) over all elements of a head.</summary>
/// <param name="HeadDim">Elements of a head, even; pair i is elements i and i + HeadDim / 2.</param>
/// <param name="Theta">Base: pair i turns by Theta^(-2i / HeadDim) per position before scaling.</param>
/// <param name="Scaling">How frequencies are changed to reach a longer context.</param>
internal sealed record RotaryDescription(int HeadDim, double Theta, RotaryScaling Scaling)
{
    /// <summary>Radians per position of every pair, in f64.</summary>
    public double[] Frequencies()
    {
        double[] frequencies = new double[HeadDim / 2];
        for (int i = 0; i < frequencies.Length; i++)
        {
            frequencies[i] = Scaling.Apply(Math.Pow(Theta, -2.0 * i / HeadDim));
        }
        return frequencies;
    }
}

/// <summary>A change of the rotary frequencies. Adding one is a derived record here and a line in <see cref="FromConfig"/>.</summary>
internal abstract record RotaryScaling
{
    /// <summary>The frequency used in place of <paramref name="frequency"/> (radians per position).</summary>
    public abstract double Apply(double frequency);

    /// <exception cref="NotSupportedException">The method is not known here.</exception>
    public static RotaryScaling FromConfig(RopeScaling? scaling) => scaling?.RopeType switch
    {
        null => new DefaultRotaryScaling(),
        "linear" => new LinearRotaryScaling(scaling.Factor!.Value),
        "llama3" => new Llama3RotaryScaling(scaling.Factor!.Value, scaling.LowFreqFactor!.Value, scaling.HighFreqFactor!.Value, scaling.OriginalMaxPositionEmbeddings!.Value),
        string other => throw ModelErrors.UnsupportedConfiguration("rope_scaling.rope_type", "default, linear or llama3", other),
    };
}

/// <summary>No change.</summary>
internal sealed record DefaultRotaryScaling : RotaryScaling
{
    public override double Apply(double frequency) => frequency;
}

/// <summary>Position interpolation (arXiv 2306.15595): positions are divided by <paramref name="Factor"/>.</summary>
internal sealed record LinearRotaryScaling(double Factor) : RotaryScaling
{
    public override double Apply(double frequency) => frequency / Factor;
}

/// <summary>
/// Llama 3.1: wavelengths above OriginalContext / LowFrequencyFactor are stretched by <paramref name="Factor"/>, those below
/// OriginalContext / HighFrequencyFactor stay, and between the two the change is linear in the number of turns.
/// </summary>
internal sealed record Llama3RotaryScaling(double Factor, double LowFrequencyFactor, double HighFrequencyFactor, double OriginalContext) : RotaryScaling
{
    public override double Apply(double frequency)
    {
        double turns = OriginalContext * frequency / (2 * Math.PI);
        if (turns < LowFrequencyFactor)
        {
            return frequency / Factor;
        }
        if (turns > HighFrequencyFactor)
        {
            return frequency;
        }
        double smooth = (turns - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor);
        return (1 - smooth) * frequency / Factor + smooth * frequency;
    }
}
