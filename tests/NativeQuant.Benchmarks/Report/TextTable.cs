using System.Text;
using Spectre.Console;

namespace NativeQuant.Benchmarks.Report;

/// <summary>A table of text, for the terminal and for Markdown.</summary>
internal sealed record TextTable(string Title, IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string>> Rows)
{
    /// <summary>Columns from here on hold numbers.</summary>
    public int FirstNumber { get; init; } = 1;

    /// <summary>Lines below the table.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Draws it.</summary>
    public void Print(IAnsiConsole console)
    {
        Table table = new Table().Title(Markup.Escape(Title)).Border(TableBorder.Rounded);
        for (int i = 0; i < Columns.Count; i++)
        {
            var column = new TableColumn(Markup.Escape(Columns[i])) { NoWrap = true };
            table.AddColumn(i < FirstNumber ? column : column.RightAligned());
        }
        foreach (IReadOnlyList<string> row in Rows)
        {
            table.AddRow([.. row.Select(static cell => Markup.Escape(cell))]);
        }
        console.Write(table);
        foreach (string note in Notes)
        {
            console.MarkupLineInterpolated($"  {note}");
        }
    }

    /// <summary>Writes it.</summary>
    public void AppendMarkdown(StringBuilder text)
    {
        text.Append("### ").AppendLine(Title).AppendLine();
        text.Append("| ").AppendJoin(" | ", Columns).AppendLine(" |");
        text.Append('|').AppendJoin('|', Columns.Select((_, i) => i < FirstNumber ? "---" : "---:")).AppendLine("|");
        foreach (IReadOnlyList<string> row in Rows)
        {
            text.Append("| ").AppendJoin(" | ", row).AppendLine(" |");
        }
        text.AppendLine();
        foreach (string note in Notes)
        {
            text.Append("- ").AppendLine(note);
        }
        if (Notes.Count > 0)
        {
            text.AppendLine();
        }
    }
}
