namespace NativeQuant.BindingGenerator;

/// <summary>Finds the folder that holds NativeQuant.sln.</summary>
internal static class RepositoryRoot
{
    private const string Marker = "NativeQuant.sln";

    /// <summary>Looks from <paramref name="start"/> and from the program's own folder upwards.</summary>
    /// <exception cref="DirectoryNotFoundException">Neither is inside the repository.</exception>
    internal static string Find(string start)
    {
        foreach (string origin in (string[])[start, AppContext.BaseDirectory])
        {
            for (DirectoryInfo? folder = new(origin); folder is not null; folder = folder.Parent)
            {
                if (File.Exists(Path.Combine(folder.FullName, Marker)))
                {
                    return folder.FullName;
                }
            }
        }

        throw new DirectoryNotFoundException($"{Marker} was not found above {start} or {AppContext.BaseDirectory}; run the generator inside the repository.");
    }
}
