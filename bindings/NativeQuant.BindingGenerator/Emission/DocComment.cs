using System.Text;
using System.Text.RegularExpressions;

namespace NativeQuant.BindingGenerator.Emission;

/// <summary>
/// A /** */ comment taken apart. The first sentence is the summary; a @param runs to the end of its line or to the next @param and may
/// name several parameters; "Source:" and every other sentence are remarks.
/// </summary>
internal sealed partial record DocComment(string Summary, string Remarks, IReadOnlyDictionary<string, string> Parameters)
{
    private const int LineWidth = 150;

    /// <summary>Parses the raw text of a comment, delimiters included; null for no comment.</summary>
    internal static DocComment? Parse(string? raw)
    {
        if (raw is null)
        {
            return null;
        }

        var parameters = new Dictionary<string, string>();
        var prose = new StringBuilder();
        foreach (string line in Lines(raw))
        {
            string[] parts = ParamTag().Split(line);
            AddProse(prose, parts[0]);
            foreach (string part in parts.Skip(1))
            {
                string description = part;
                int source = description.IndexOf("Source:", StringComparison.Ordinal);
                if (source >= 0)
                {
                    AddProse(prose, description[source..]);
                    description = description[..source];
                }

                Match match = ParameterNames().Match(description);
                foreach (string name in match.Groups["names"].Value.Split(',', StringSplitOptions.TrimEntries))
                {
                    parameters[name] = match.Groups["text"].Value.Trim();
                }
            }
        }

        string text = prose.ToString();
        Match end = SentenceEnd().Match(text);
        int length = end.Success ? end.Index + 1 : text.Length;
        return new DocComment(text[..length], text[length..].Trim(), parameters);
    }

    /// <summary>Writes the comment as XML documentation for a member with the given C parameter names.</summary>
    internal void Write(IndentedWriter writer, IReadOnlyList<string> parameterNames)
    {
        Tag(writer, "summary", string.Empty, Summary, parameterNames);
        foreach (string name in parameterNames)
        {
            if (Parameters.TryGetValue(name, out string? text))
            {
                Tag(writer, "param", $" name=\"{ManagedName.Parameter(name).TrimStart('@')}\"", text, parameterNames);
            }
        }

        if (Remarks.Length > 0)
        {
            Tag(writer, "remarks", string.Empty, Remarks, parameterNames);
        }
    }

    /// <summary>The same text, all of it as the summary.</summary>
    internal DocComment WithoutRemarks() => this with { Summary = $"{Summary} {Remarks}".TrimEnd(), Remarks = string.Empty };

    private static IEnumerable<string> Lines(string raw)
    {
        string body = raw.Trim();
        body = body.StartsWith("/**", StringComparison.Ordinal) ? body[3..] : body.TrimStart('/');
        body = body.EndsWith("*/", StringComparison.Ordinal) ? body[..^2] : body;
        return body.TrimStart('<').Split('\n').Select(static line =>
        {
            string trimmed = line.Trim();
            return trimmed.StartsWith('*') ? trimmed[1..].Trim() : trimmed;
        });
    }

    private static void AddProse(StringBuilder prose, string text)
    {
        text = text.Trim();
        if (text.Length > 0)
        {
            prose.Append(prose.Length > 0 ? " " : "").Append(text);
        }
    }

    private static void Tag(IndentedWriter writer, string tag, string attributes, string text, IReadOnlyList<string> parameterNames)
    {
        string xml = Xml(text, parameterNames);
        string line = $"/// <{tag}{attributes}>{xml}</{tag}>";
        if (line.Length <= LineWidth)
        {
            writer.Line(line);
            return;
        }

        writer.Line($"/// <{tag}{attributes}>");
        foreach (string part in Wrap(xml))
        {
            writer.Line("/// " + part);
        }

        writer.Line($"/// </{tag}>");
    }

    private static IEnumerable<string> Wrap(string text)
    {
        var line = new StringBuilder();
        foreach (string word in Words().Split(text))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > LineWidth - 4)
            {
                yield return line.ToString();
                line.Clear();
            }

            line.Append(line.Length > 0 ? " " : "").Append(word);
        }

        yield return line.ToString();
    }

    // `name` is a parameter where the function has one of that name, otherwise code.
    private static string Xml(string text, IReadOnlyList<string> parameterNames) => Backticks().Replace(
        text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal),
        match => parameterNames.Contains(match.Groups[1].Value)
            ? $"<paramref name=\"{ManagedName.Parameter(match.Groups[1].Value).TrimStart('@')}\"/>"
            : $"<c>{match.Groups[1].Value}</c>");

    [GeneratedRegex(@"(?:^|(?<=\s))@param\s+")]
    private static partial Regex ParamTag();

    [GeneratedRegex(@"^(?<names>\w+(?:,\s*\w+)*)\s*(?<text>.*)$", RegexOptions.Singleline)]
    private static partial Regex ParameterNames();

    [GeneratedRegex(@"\.(?=\s+[A-Z])")]
    private static partial Regex SentenceEnd();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Backticks();

    // Breaks at spaces, but not inside a tag.
    [GeneratedRegex(@" (?![^<]*>)")]
    private static partial Regex Words();
}
