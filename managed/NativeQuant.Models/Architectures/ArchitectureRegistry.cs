namespace NativeQuant.Models;

/// <summary>The architectures that can be loaded. Adding one is a file with an <see cref="Architecture"/> and a line here.</summary>
internal static class ArchitectureRegistry
{
    private static readonly Architecture[] Known =
    [
        new LlamaArchitecture(),
        new MistralArchitecture(),
        new Qwen2Architecture(),
    ];

    /// <summary>Names of all known architectures, as config.json has them.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Known.Select(static architecture => architecture.Name)];

    /// <summary>The architecture of this name.</summary>
    /// <exception cref="NotSupportedException">It is not known; the message lists those that are.</exception>
    public static Architecture Find(string name) =>
        Array.Find(Known, architecture => architecture.Name == name) ?? throw ModelErrors.UnknownArchitecture(name, Names);
}
