using System.Globalization;
using System.Security;
using System.Text;

namespace NativeQuant.Benchmarks.Report;

/// <summary>A bar: its name, its value, and whether it is ours.</summary>
internal sealed record Bar(string Name, double Value, bool IsOurs);

/// <summary>Bars under one heading. The scale begins at 0.</summary>
internal sealed record BarPanel(string Title, string Format, IReadOnlyList<Bar> Bars);

/// <summary>Draws panels of horizontal bars, two beside each other, as SVG that is readable on light and on dark pages.</summary>
internal static class BarChart
{
    private const int PanelWidth = 460, Margin = 16, LabelWidth = 205, ValueWidth = 52, BarHeight = 16, RowHeight = 22, TitleHeight = 34;

    private const string Style = """
        text { font: 12px system-ui, sans-serif; fill: #24292f; }
        .title { font-weight: 600; font-size: 13px; }
        .bar { fill: #8c959f; }
        .ours { fill: #0969da; }
        .axis { stroke: #d0d7de; }
        @media (prefers-color-scheme: dark) {
          text { fill: #e6edf3; }
          .bar { fill: #6e7681; }
          .ours { fill: #58a6ff; }
          .axis { stroke: #3d444d; }
        }
        """;

    /// <summary>The chart as an SVG document.</summary>
    public static string Draw(string description, IReadOnlyList<BarPanel> panels)
    {
        var body = new StringBuilder();
        int y = Margin;
        foreach (BarPanel[] row in panels.Chunk(2))
        {
            for (int i = 0; i < row.Length; i++)
            {
                DrawPanel(body, row[i], Margin + (i * (PanelWidth + Margin)), y);
            }
            y += row.Max(static p => Height(p)) + Margin;
        }
        int width = (2 * PanelWidth) + (3 * Margin);
        return string.Create(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}" role="img">
            <title>{SecurityElement.Escape(description)}</title>
            <style>
            {Style}
            </style>
            {body}</svg>

            """);
    }

    private static int Height(BarPanel panel) => TitleHeight + (panel.Bars.Count * RowHeight);

    private static void DrawPanel(StringBuilder body, BarPanel panel, int x, int y)
    {
        double scale = (PanelWidth - LabelWidth - ValueWidth) / panel.Bars.Max(static b => b.Value);
        int zero = x + LabelWidth;
        CultureInfo culture = CultureInfo.InvariantCulture;
        body.AppendLine(culture, $"""<text class="title" x="{x}" y="{y + 16}">{SecurityElement.Escape(panel.Title)}</text>""");
        for (int i = 0; i < panel.Bars.Count; i++)
        {
            Bar bar = panel.Bars[i];
            int top = y + TitleHeight + (i * RowHeight), middle = top + 12;
            double length = Math.Max(bar.Value * scale, 1);
            body.AppendLine(culture, $"""<text x="{zero - 8}" y="{middle}" text-anchor="end">{SecurityElement.Escape(bar.Name)}</text>""");
            body.AppendLine(culture, $"""<rect class="{(bar.IsOurs ? "ours" : "bar")}" x="{zero}" y="{top}" width="{length:0.0}" height="{BarHeight}"/>""");
            body.AppendLine(culture, $"""<text x="{zero + length + 6:0.0}" y="{middle}">{bar.Value.ToString(panel.Format, culture)}</text>""");
        }
        body.AppendLine(culture, $"""<line class="axis" x1="{zero}" y1="{y + TitleHeight - 4}" x2="{zero}" y2="{y + Height(panel) - 2}"/>""");
    }
}
