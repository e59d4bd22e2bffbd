namespace NativeQuant.Models;

/// <summary>A model computed logits that are not numbers, so no token can be chosen. The message names the position, the token and the value.</summary>
public sealed class InvalidLogitsException(string message) : NativeQuantException(message);
