using System.Text;

namespace NativeQuant.BindingGenerator.Emission;

/// <summary>Collects lines of C#, four spaces per level.</summary>
internal sealed class IndentedWriter
{
    private readonly StringBuilder _text = new();
    private int _level;

    internal void Line(string line = "") => _text.Append(line.Length == 0 ? line : new string(' ', _level * 4) + line).Append('\n');

    internal void Open(string line)
    {
        Line(line);
        Line("{");
        _level++;
    }

    internal void Close()
    {
        _level--;
        Line("}");
    }

    internal void Indented(IEnumerable<string> lines)
    {
        _level++;
        foreach (string line in lines)
        {
            Line(line);
        }

        _level--;
    }

    public override string ToString() => _text.ToString();
}
