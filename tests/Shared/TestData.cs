namespace NativeQuant.Testing;

// Where test data lies. A variable of its own names the folder; else NATIVEQUANT_TEST_DATA holds a sub-folder of the purpose; else the
// project's own copy is used.
internal static class TestData
{
    public static string GoldenFolder => Folder("NATIVEQUANT_GOLDEN", Path.Combine("golden", "bitsandbytes"), Path.Combine("tests", "data", "golden", "bitsandbytes"));

    public static string TokenizersFolder => Folder("NATIVEQUANT_TOKENIZERS", "tokenizers", Path.Combine("tests", "data", "tokenizers"));

    public static string ModelsFolder => Folder("NATIVEQUANT_MODELS", "models", Path.Combine("samples", "models"));

    private static string Folder(string variable, string purpose, string ownCopy)
    {
        if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } named)
        {
            return Directory.Exists(named) ? named : throw new DirectoryNotFoundException($"{variable} names {named}, which does not exist.");
        }

        if (Environment.GetEnvironmentVariable("NATIVEQUANT_TEST_DATA") is { Length: > 0 } shared && Path.Combine(shared, purpose) is var folder && Directory.Exists(folder))
        {
            return folder;
        }

        return Path.Combine(Repository.Root, ownCopy);
    }
}
