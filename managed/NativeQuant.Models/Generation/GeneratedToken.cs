namespace NativeQuant.Models;

/// <summary>One step of a generation.</summary>
/// <param name="Id">Token id chosen in this step.</param>
/// <param name="Text">
/// Text that became certain with this step: empty while a code point is incomplete or while the text could still become a stop string;
/// the last step carries what was held back. Concatenated over all steps it is the generated text, without special tokens.
/// Empty if the model was loaded without a tokenizer.
/// </param>
/// <param name="LogProbability">
/// Natural logarithm of the probability that the model itself (before repetition penalty, temperature and the other filters) gives to
/// <paramref name="Id"/>; at most 0.
/// </param>
/// <param name="FinishReason">Null for every step but the last.</param>
public readonly record struct GeneratedToken(int Id, string Text, float LogProbability, FinishReason? FinishReason);
