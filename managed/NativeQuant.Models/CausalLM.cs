using NativeQuant.Models.Checkpoints;
using NativeQuant.Models.Tokenizers;

namespace NativeQuant.Models;

/// <summary>
/// A causal language model: weights on a device, tokenizer and configuration. Immutable and thread-safe; any number of
/// <see cref="GenerationSession"/>s, on as many threads, share one model.
/// </summary>
/// <example>
/// <code>
/// using CausalLM model = CausalLM.Load("path/to/model", new LoadOptions { Quantization = QuantizationConfig.NF4 });
/// using GenerationSession session = model.CreateSession();
/// await foreach (GeneratedToken token in session.GenerateAsync("It was a dark and stormy night"))
/// {
///     Console.Write(token.Text);
/// }
/// </code>
/// </example>
public sealed class CausalLM : IDisposable
{
    private readonly LoadedModel _loaded;

    internal CausalLM(LoadedModel loaded)
    {
        _loaded = loaded;
        Rotary = new RotaryTables(loaded.Device, Decoder.Description.Rotary, ContextLength);
        Memory = MemoryFootprint.Of(loaded.Report.Weights);
    }

    /// <summary>Names of the architectures that can be loaded, as config.json has them.</summary>
    public static IReadOnlyList<string> SupportedArchitectures => ArchitectureRegistry.Names;

    /// <summary>The folder the model was loaded from.</summary>
    public string Folder => _loaded.Folder;

    /// <summary>The model's config.json.</summary>
    public ModelConfig Config => _loaded.Config;

    /// <summary>The model's generation_config.json; empty if it has none.</summary>
    public GenerationConfig GenerationConfig => _loaded.GenerationConfig;

    /// <summary>How the linear modules are quantized; null for an unquantized model.</summary>
    public QuantizationConfig? Quantization => _loaded.Quantization;

    /// <summary>Type in which sessions hold keys and values unless <see cref="CreateSession"/> is told another.</summary>
    public DataType KvCacheType => _loaded.KvCacheType;

    /// <summary>The device that holds the weights and computes.</summary>
    public Device Device => _loaded.Device;

    /// <summary>The tokenizer, or null if the folder has none or it was not asked for.</summary>
    public Tokenizer? Tokenizer => _loaded.Tokenizer;

    /// <summary>What loading took.</summary>
    public LoadReport LoadReport => _loaded.Report;

    /// <summary>What the weights cost.</summary>
    public MemoryFootprint Memory { get; }

    /// <summary>Positions the model was made for: the largest capacity of a session.</summary>
    public int ContextLength => Decoder.Description.ContextLength;

    /// <summary>Token ids run from 0 to this less one.</summary>
    public int VocabularySize => Decoder.Description.VocabularySize;

    /// <summary>Ids that end a generation unless options say otherwise: those of generation_config.json, else those of config.json.</summary>
    public IReadOnlyList<int> EosTokenIds => GenerationConfig.EosTokenIds.Count > 0 ? GenerationConfig.EosTokenIds : Config.EosTokenIds;

    /// <summary>Type the unquantized weights were converted to; null if they are as stored.</summary>
    internal DataType? WeightType => _loaded.DataType;

    internal Decoder Decoder => _loaded.Decoder;

    internal RotaryTables Rotary { get; }

    internal IReadOnlyList<ModelWeight> Weights => _loaded.Weights;

    /// <summary>
    /// Loads a model from a Hugging Face folder: config.json, model.safetensors or its shards with their index, and if present
    /// generation_config.json and tokenizer.json. Weights are quantized one at a time while loading, so that memory stays below the
    /// finished model plus the largest tensor in f32.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="options">Device, quantization, types; null for the defaults.</param>
    /// <param name="progress">Told after every tensor, on the loading thread.</param>
    /// <param name="cancellationToken">Polled between tensors.</param>
    /// <returns>The model; the caller disposes it.</returns>
    /// <exception cref="ConfigurationException">config.json or generation_config.json is missing or broken.</exception>
    /// <exception cref="CheckpointException">The weights are missing or broken, or contradict config.json.</exception>
    /// <exception cref="TokenizerFormatException">tokenizer.json is broken or of a kind not supported.</exception>
    /// <exception cref="NotSupportedException">The architecture, or an option of the quantization, is not supported; the message says what is.</exception>
    /// <exception cref="ArgumentException">The options contradict themselves or the folder.</exception>
    /// <exception cref="NativeQuantOutOfMemoryException">The device has not enough memory. Nothing stays allocated.</exception>
    /// <exception cref="OperationCanceledException">Cancelled. Nothing stays allocated.</exception>
    public static CausalLM Load(string folder, LoadOptions? options = null, IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default) =>
        ModelLoader.Load(folder, options ?? new LoadOptions(), progress, cancellationToken);

    /// <summary>As <see cref="Load"/>, on a thread of its own.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="options">Device, quantization, types; null for the defaults.</param>
    /// <param name="progress">Told after every tensor, on the loading thread.</param>
    /// <param name="cancellationToken">Polled between tensors.</param>
    /// <returns>The model; the caller disposes it.</returns>
    public static Task<CausalLM> LoadAsync(string folder, LoadOptions? options = null, IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default) =>
        Task.Factory.StartNew(
            () => Load(folder, options, progress, cancellationToken),
            cancellationToken,
            TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
            TaskScheduler.Default);

    /// <summary>Makes a session with an empty KV cache.</summary>
    /// <param name="capacity">Most positions it may hold, 1 to <see cref="ContextLength"/>; null for the latter. Memory for positions is taken as they are used.</param>
    /// <param name="kvCacheType">Type in which it holds keys and values: f32, bf16 or int8; null for <see cref="KvCacheType"/>.</param>
    /// <returns>The session; the caller disposes it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is out of range.</exception>
    /// <exception cref="ArgumentException">A KV cache of that type does not exist.</exception>
    public GenerationSession CreateSession(int? capacity = null, DataType? kvCacheType = null) =>
        new(this, capacity ?? ContextLength, GenerationSession.DefaultChunkSize, kvCacheType);

    /// <summary>
    /// Writes the model as a folder that <see cref="Load"/>, and transformers with bitsandbytes, load back bit for bit: config.json with
    /// <c>quantization_config</c>, model.safetensors with codes and statistics as they are, and the other files of the folder it came from
    /// (generation_config.json, tokenizer files). The folder appears complete or not at all.
    /// </summary>
    /// <param name="folder">Folder to make; must not exist, or be empty.</param>
    /// <param name="progress">Told after every tensor.</param>
    /// <param name="cancellationToken">Polled between tensors; nothing remains then.</param>
    /// <exception cref="CheckpointException">The folder has content, or cannot be written (permission, full disk). Nothing remains.</exception>
    /// <exception cref="OperationCanceledException">Cancelled. Nothing remains.</exception>
    public void Save(string folder, IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default) =>
        ModelWriter.Write(this, folder, progress, cancellationToken);

    /// <summary>Releases the weights, and the device if the model opened it. Sessions of this model can no longer be used. May be called twice.</summary>
    public void Dispose()
    {
        Rotary.Dispose();
        _loaded.Dispose();
    }
}
