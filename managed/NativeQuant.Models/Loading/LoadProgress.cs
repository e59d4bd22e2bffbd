namespace NativeQuant.Models;

/// <summary>How far loading or saving has come.</summary>
/// <param name="CompletedBytes">Checkpoint bytes done with.</param>
/// <param name="TotalBytes">Checkpoint bytes in all.</param>
/// <param name="CompletedTensors">Tensors done with.</param>
/// <param name="TotalTensors">Tensors in all.</param>
/// <param name="Name">The tensor just done.</param>
public readonly record struct LoadProgress(long CompletedBytes, long TotalBytes, int CompletedTensors, int TotalTensors, string Name);
