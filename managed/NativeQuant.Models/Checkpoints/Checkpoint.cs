using System.Diagnostics.CodeAnalysis;

namespace NativeQuant.Models.Checkpoints;

/// <summary>
/// The weights of a model folder, memory-mapped: <c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c> lists.
/// If both are there, the single file is used.
/// </summary>
/// <remarks>
/// Thread-safe. All headers are checked before <see cref="Open"/> returns; tensors that a shard holds beyond the index are there too.
/// Disposing unmaps the files, as soon as no tensor or host tensor of them is in use.
/// </remarks>
public sealed class Checkpoint : IDisposable
{
    internal const string SingleFileName = "model.safetensors";
    internal const string IndexFileName = "model.safetensors.index.json";

    private static readonly string[] PicklePatterns = ["pytorch_model*.bin", "*.pth", "*.pt"];

    private readonly List<SafetensorsFile> _files;
    private readonly Dictionary<string, CheckpointTensor> _tensors;

    private Checkpoint(string folder, List<SafetensorsFile> files, Dictionary<string, CheckpointTensor> tensors)
    {
        Folder = folder;
        _files = files;
        _tensors = tensors;
    }

    /// <summary>The model folder as it was given to <see cref="Open"/>.</summary>
    public string Folder { get; }

    /// <summary>The names of all tensors, shard by shard in the order of their data.</summary>
    public IReadOnlyCollection<string> Names => _tensors.Keys;

    /// <summary>All tensors, shard by shard in the order of their data: the order in which reading them is fastest.</summary>
    public IReadOnlyCollection<CheckpointTensor> Tensors => _tensors.Values;

    /// <summary>The files the tensors lie in.</summary>
    public IReadOnlyList<SafetensorsFile> Files => _files;

    /// <summary>Looks a tensor up.</summary>
    /// <param name="name">Its full name.</param>
    /// <exception cref="CheckpointException">There is no such tensor.</exception>
    public CheckpointTensor this[string name] => TryGet(name, out CheckpointTensor? tensor) ? tensor : throw CheckpointErrors.TensorMissing(Folder, name);

    /// <summary>Maps the weights of a model folder and checks all their headers.</summary>
    /// <param name="folder">A folder as <c>save_pretrained</c> leaves it.</param>
    /// <returns>The open checkpoint.</returns>
    /// <exception cref="CheckpointException">
    /// The folder has no safetensors weights, a file of it is invalid, a shard is missing or lies outside the folder, a tensor is not in the
    /// shard that the index names, or one is in two shards.
    /// </exception>
    public static Checkpoint Open(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Directory.Exists(folder))
        {
            throw CheckpointErrors.FolderMissing(folder);
        }
        string single = Path.Combine(folder, SingleFileName);
        string index = Path.Combine(folder, IndexFileName);
        if (File.Exists(single))
        {
            return OpenFiles(folder, [single]);
        }
        return File.Exists(index) ? OpenSharded(folder, index) : throw WithoutWeights(folder);
    }

    /// <summary>Looks a tensor up.</summary>
    /// <param name="name">Its full name.</param>
    /// <param name="tensor">The tensor, if there is one.</param>
    /// <returns>Whether there is a tensor of that name.</returns>
    public bool TryGet(string name, [MaybeNullWhen(false)] out CheckpointTensor tensor) => _tensors.TryGetValue(name, out tensor);

    /// <summary>
    /// Says that a tensor is done with for now: its pages leave the resident set, so that loading a model needs no more memory than the model
    /// and the tensor at hand. The tensor stays valid; whoever reads it again reads the file again. A hint: does nothing where not Linux.
    /// </summary>
    /// <param name="tensor">A tensor of this checkpoint.</param>
    /// <exception cref="ArgumentException">The tensor is not of this checkpoint.</exception>
    public void Release(CheckpointTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!_tensors.TryGetValue(tensor.Name, out CheckpointTensor? own) || !ReferenceEquals(own, tensor))
        {
            throw CheckpointErrors.ForeignTensor(tensor.Name, nameof(tensor));
        }
        tensor.ReleasePages();
    }

    /// <summary>Unmaps the files. Safe to call twice and from several threads.</summary>
    public void Dispose()
    {
        foreach (SafetensorsFile file in _files)
        {
            file.Dispose();
        }
    }

    private static Checkpoint OpenSharded(string folder, string indexPath)
    {
        Dictionary<string, string> index = CheckpointIndex.Read(indexPath);
        string[] shards = [.. index.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        foreach (string shard in shards)
        {
            if (!File.Exists(Path.Combine(folder, shard)))
            {
                throw CheckpointErrors.ShardMissing(indexPath, shard);
            }
        }
        Checkpoint checkpoint = OpenFiles(folder, [.. shards.Select(shard => Path.Combine(folder, shard))]);
        foreach ((string name, string shard) in index)
        {
            if (!checkpoint.TryGet(name, out CheckpointTensor? tensor) || tensor.FilePath != Path.Combine(folder, shard))
            {
                checkpoint.Dispose();
                throw CheckpointErrors.TensorNotInShard(indexPath, name, shard);
            }
        }
        return checkpoint;
    }

    private static Checkpoint OpenFiles(string folder, string[] paths)
    {
        List<SafetensorsFile> files = [];
        Dictionary<string, CheckpointTensor> tensors = new(StringComparer.Ordinal);
        try
        {
            foreach (string path in paths)
            {
                SafetensorsFile file = SafetensorsFile.Open(path);
                files.Add(file);
                foreach (CheckpointTensor tensor in file.Tensors)
                {
                    if (!tensors.TryAdd(tensor.Name, tensor))
                    {
                        throw CheckpointErrors.TensorInTwoShards(
                            folder, tensor.Name, Path.GetFileName(tensors[tensor.Name].FilePath), Path.GetFileName(path));
                    }
                }
            }
            return new Checkpoint(folder, files, tensors);
        }
        catch
        {
            files.ForEach(file => file.Dispose());
            throw;
        }
    }

    private static CheckpointException WithoutWeights(string folder)
    {
        try
        {
            string? pickle = PicklePatterns
                .SelectMany(pattern => Directory.EnumerateFiles(folder, pattern))
                .Order(StringComparer.Ordinal)
                .FirstOrDefault();
            return pickle is null ? CheckpointErrors.NoWeights(folder) : CheckpointErrors.PickledWeights(folder, Path.GetFileName(pickle));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return CheckpointErrors.FolderNotReadable(folder, exception);
        }
    }
}
