using Spectre.Console;

namespace NativeQuant.Cli.Output;

/// <summary>
/// Where a command writes: results to <see cref="Output"/>, progress and errors to <see cref="Error"/>. Escape codes and
/// moving bars appear only where a person looks at a terminal; otherwise all is plain lines.
/// </summary>
internal sealed class Terminal
{
    // Wide enough for every table on one line per row; a redirected stream has no width of its own.
    private const int RedirectedWidth = 200;

    private readonly IAnsiConsole _outputConsole;

    /// <param name="output">Receives results.</param>
    /// <param name="error">Receives progress and errors.</param>
    /// <param name="input">Text piped in, or null where standard input is a terminal.</param>
    /// <param name="outputIsTerminal">Whether <paramref name="output"/> is a terminal.</param>
    /// <param name="errorIsTerminal">Whether <paramref name="error"/> is a terminal.</param>
    public Terminal(TextWriter output, TextWriter error, TextReader? input = null, bool outputIsTerminal = false, bool errorIsTerminal = false)
    {
        Output = output;
        Error = error;
        Input = input;
        OutputIsTerminal = outputIsTerminal;
        ErrorIsTerminal = errorIsTerminal;
        _outputConsole = CreateConsole(output, outputIsTerminal);
        ErrorConsole = CreateConsole(error, errorIsTerminal);
    }

    public TextWriter Output { get; }

    public TextWriter Error { get; }

    public TextReader? Input { get; }

    public bool OutputIsTerminal { get; }

    public bool ErrorIsTerminal { get; }

    /// <summary>Renders progress bars to <see cref="Error"/>.</summary>
    public IAnsiConsole ErrorConsole { get; }

    /// <summary>The terminal of this process.</summary>
    public static Terminal OfProcess() => new(
        Console.Out,
        Console.Error,
        Console.IsInputRedirected ? Console.In : null,
        !Console.IsOutputRedirected,
        !Console.IsErrorRedirected);

    /// <summary>A table in the style of this terminal: lines on a terminal, Markdown elsewhere.</summary>
    public Table CreateTable() => new() { Border = OutputIsTerminal ? TableBorder.Rounded : TableBorder.Markdown };

    /// <summary>Writes a table to <see cref="Output"/>.</summary>
    public void Write(Table table)
    {
        if (OutputIsTerminal)
        {
            _outputConsole.Write(table);
            return;
        }
        // The Markdown border pads with lines of spaces, which are noise in a file.
        using StringWriter rendered = new();
        CreateConsole(rendered, isTerminal: false).Write(table);
        foreach (string line in rendered.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            Output.WriteLine(line);
        }
    }

    private static IAnsiConsole CreateConsole(TextWriter writer, bool isTerminal)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = isTerminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = isTerminal ? InteractionSupport.Detect : InteractionSupport.No,
        });
        if (!isTerminal)
        {
            console.Profile.Width = RedirectedWidth;
        }
        return console;
    }
}
