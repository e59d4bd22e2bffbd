// Loads a Hugging Face model folder in 4 bits, measures it and writes a few words.
// dotnet run --project samples/QuickStart -c Release -- samples/models/tiny-llama
using NativeQuant;
using NativeQuant.Models;

string folder = args.Length > 0 ? args[0] : "samples/models/tiny-llama";

var options = new LoadOptions { Quantization = QuantizationConfig.NF4DoubleQuant };
using CausalLM model = CausalLM.Load(folder, options);
MemoryFootprint memory = model.Memory;
Console.WriteLine($"{memory.Parameters:N0} parameters, {memory.BitsPerQuantizedParameter:F3} bits each where quantized, {memory.WeightBytes:N0} bytes in all");

string textFile = Path.Combine(folder, "own-text.txt");
if (model.Tokenizer is not null && File.Exists(textFile))
{
    IReadOnlyList<int> ids = model.Tokenizer.EncodeToIds(File.ReadAllText(textFile), addSpecialTokens: false);
    PerplexityResult result = Perplexity.Measure(model, [.. ids], new PerplexityOptions { MaxWindows = 16 });
    Console.WriteLine($"perplexity {result.Perplexity:F2} over {result.ScoredTokens} tokens");
}

using GenerationSession session = model.CreateSession();
var generation = new GenerationOptions { MaxNewTokens = 40, DoSample = true, Temperature = 0.8f, TopP = 0.95f, Seed = 1 };
await foreach (GeneratedToken token in session.GenerateAsync("It was a dark and stormy night", generation))
{
    Console.Write(token.Text);
}
Console.WriteLine();
