using NativeQuant.BindingGenerator;
using NativeQuant.BindingGenerator.Parsing;

const string Usage = """
    Generates managed/NativeQuant/Interop/*.g.cs from native/include/nativequant/nativequant.h.
    Usage: NativeQuant.BindingGenerator [--check]
      --check   write nothing; exit with 1 and show the first difference if the committed files are not up to date
    """;

if (args is not ([] or ["--check"]))
{
    Console.Error.WriteLine(Usage);
    return 2;
}

try
{
    BindingFiles files = BindingFiles.Of(RepositoryRoot.Find(Environment.CurrentDirectory), new LibclangHeaderParser());
    if (args.Length == 0)
    {
        IReadOnlyList<string> changed = files.Write();
        Console.WriteLine(changed.Count == 0 ? "The bindings are up to date." : $"Changed: {string.Join(", ", changed)}");
        return 0;
    }

    if (files.FirstDifference() is string difference)
    {
        Console.Error.WriteLine($"The bindings are not up to date; run the generator and commit the result. First difference: {difference}");
        return 1;
    }

    Console.WriteLine("The bindings are up to date.");
    return 0;
}
catch (Exception e) when (e is HeaderException or DllNotFoundException or IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(e.Message);
    return 3;
}
