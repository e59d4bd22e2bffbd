using System.Text.Json;

namespace NativeQuant.Models;

/// <summary>How rotary frequencies are changed to reach beyond the context a model was first trained on.</summary>
/// <remarks>
/// Read from <c>rope_scaling</c>, or from <c>rope_parameters</c> where newer files keep the same fields together with <c>rope_theta</c>.
/// The type <c>default</c> means no scaling and gives no object of this class.
/// </remarks>
public sealed record RopeScaling
{
    private RopeScaling(string ropeType, JsonElement json)
    {
        RopeType = ropeType;
        Json = json;
    }

    /// <summary>The method: <c>linear</c>, <c>llama3</c>, <c>dynamic</c>, <c>yarn</c>, <c>longrope</c> and so on.</summary>
    public string RopeType { get; }

    /// <summary>The factor by which the context grows, at least 1 in sane files; always there for <c>linear</c>, <c>llama3</c> and <c>dynamic</c>.</summary>
    public double? Factor { get; private init; }

    /// <summary><c>llama3</c>: wavelengths above the original context divided by this are scaled fully.</summary>
    public double? LowFreqFactor { get; private init; }

    /// <summary><c>llama3</c>: wavelengths below the original context divided by this are not scaled; greater than <see cref="LowFreqFactor"/>.</summary>
    public double? HighFreqFactor { get; private init; }

    /// <summary>The context, in tokens, before scaling; always there for <c>llama3</c>.</summary>
    public int? OriginalMaxPositionEmbeddings { get; private init; }

    /// <summary>The object as it stands in the file, for methods with fields of their own.</summary>
    public JsonElement Json { get; }

    /// <summary>Reads the object, or null when there is none or it asks for no scaling.</summary>
    /// <exception cref="ConfigurationException">It names no method, or a field that its method needs is missing or wrong.</exception>
    internal static RopeScaling? Read(ConfigurationFields fields)
    {
        const double Largest = 1e6;
        // "type" is the older name; files that carry both mean "rope_type".
        string type = fields.String("rope_type") ?? fields.String("type") ?? throw fields.Missing("rope_type", "the name of a scaling method");
        if (type == "default")
        {
            return null;
        }
        RopeScaling scaling = new(type, fields.Json)
        {
            Factor = fields.Double("factor", double.Epsilon, Largest),
            LowFreqFactor = fields.Double("low_freq_factor", double.Epsilon, Largest),
            HighFreqFactor = fields.Double("high_freq_factor", double.Epsilon, Largest),
            OriginalMaxPositionEmbeddings = fields.Int32("original_max_position_embeddings", 1, int.MaxValue),
        };
        if (type is "linear" or "dynamic" or "llama3")
        {
            fields.RequiredDouble("factor", double.Epsilon, Largest);
        }
        if (type == "llama3")
        {
            double low = fields.RequiredDouble("low_freq_factor", double.Epsilon, Largest);
            double high = fields.RequiredDouble("high_freq_factor", double.Epsilon, Largest);
            fields.RequiredInt32("original_max_position_embeddings", 1, int.MaxValue);
            if (high <= low)
            {
                fields.TryGet("high_freq_factor", out JsonElement got);
                throw fields.Misfit("high_freq_factor", $"more than low_freq_factor, {low}", got);
            }
        }
        return scaling;
    }
}
