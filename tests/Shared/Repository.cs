namespace NativeQuant.Testing;

/// <summary>The repository that the tests were built from.</summary>
internal static class Repository
{
    /// <summary>The folder of NativeQuant.sln, found above the test assembly.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The sample model that is part of the project.</summary>
    public static string TinyLlama { get; } = Path.Combine(Root, "samples", "models", "tiny-llama");

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "NativeQuant.sln")))
            {
                return folder.FullName;
            }
        }
        throw new DirectoryNotFoundException($"No NativeQuant.sln above {AppContext.BaseDirectory}.");
    }
}
