using System.CommandLine;

namespace NativeQuant.Cli.Options;

/// <summary>The folder of a model, as save_pretrained writes it.</summary>
internal static class ModelFolder
{
    public static Argument<string> Argument() => new Argument<string>("model") { Description = "Folder with config.json, safetensors and tokenizer.json." }.RefusingOptions();

    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public static void RequireExisting(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new DirectoryNotFoundException(File.Exists(folder)
                ? $"Model '{folder}': expected a folder with config.json and safetensors; got a file."
                : $"Model '{folder}': no such folder.");
        }
    }
}
