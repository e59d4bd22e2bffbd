using NativeQuant.BindingGenerator.Emission;

namespace NativeQuant.BindingGenerator;

/// <summary>The committed bindings of a repository, and how they are compared with and replaced by fresh ones.</summary>
internal sealed class BindingFiles(IHeaderParser parser, string headerPath, string folder)
{
    private const string Pattern = "*.g.cs";

    /// <summary>The header's and the bindings' places below a repository root.</summary>
    internal static BindingFiles Of(string repositoryRoot, IHeaderParser parser) => new(
        parser,
        Path.Combine(repositoryRoot, "native", "include", "nativequant", "nativequant.h"),
        Path.Combine(repositoryRoot, "managed", "NativeQuant", "Interop"));

    /// <summary>What the header gives now: file names and contents.</summary>
    internal SortedDictionary<string, string> Generate() => CSharpEmitter.Emit(parser.Parse(headerPath));

    /// <summary>Writes the files that differ, removes generated files that no longer belong, and returns the names of both.</summary>
    internal IReadOnlyList<string> Write()
    {
        SortedDictionary<string, string> fresh = Generate();
        Directory.CreateDirectory(folder);
        var changed = new List<string>();
        foreach ((string name, string text) in fresh)
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path) && File.ReadAllText(path) == text)
            {
                continue;
            }

            string temporary = path + ".tmp";
            File.WriteAllText(temporary, text);
            File.Move(temporary, path, overwrite: true);
            changed.Add(name);
        }

        foreach (string stale in Stale(fresh))
        {
            File.Delete(Path.Combine(folder, stale));
            changed.Add(stale);
        }

        return changed;
    }

    /// <summary>The first difference between the header and the committed files, in words; null if there is none.</summary>
    internal string? FirstDifference()
    {
        SortedDictionary<string, string> fresh = Generate();
        foreach ((string name, string text) in fresh)
        {
            string path = Path.Combine(folder, name);
            if (!File.Exists(path))
            {
                return $"{name} is missing.";
            }

            string[] expected = text.Split('\n');
            string[] actual = File.ReadAllText(path).Split('\n');
            for (int i = 0; i < Math.Max(expected.Length, actual.Length); i++)
            {
                string? wanted = i < expected.Length ? expected[i] : null;
                string? found = i < actual.Length ? actual[i] : null;
                if (wanted != found)
                {
                    return $"{name}, line {i + 1}:{Environment.NewLine}  header:    {wanted ?? "(end of file)"}{Environment.NewLine}  committed: {found ?? "(end of file)"}";
                }
            }
        }

        return Stale(fresh).FirstOrDefault() is string stale ? $"{stale} is not generated from the header any more." : null;
    }

    private IEnumerable<string> Stale(SortedDictionary<string, string> fresh) =>
        Directory.EnumerateFiles(folder, Pattern).Select(static path => Path.GetFileName(path)).Where(name => !fresh.ContainsKey(name)).Order(StringComparer.Ordinal);
}
