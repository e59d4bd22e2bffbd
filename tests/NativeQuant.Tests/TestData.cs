namespace NativeQuant.Tests;

// Where test data lies. A variable of its own names the folder; else NATIVEQUANT_TEST_DATA holds a sub-folder of the purpose; else the
// project's own copy is used.
internal static class TestData
{
    public static string GoldenFolder => Folder("NATIVEQUANT_GOLDEN", Path.Combine("golden", "bitsandbytes"), Path.Combine("tests", "data", "golden", "bitsandbytes"));

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

        return Path.Combine(RepositoryRoot(), ownCopy);
    }

    private static string RepositoryRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "NativeQuant.sln")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} holds NativeQuant.sln.");
    }
}
