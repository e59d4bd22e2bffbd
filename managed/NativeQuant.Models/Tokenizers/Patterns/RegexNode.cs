namespace NativeQuant.Models.Tokenizers;

/// <summary>The parsed form of a pattern; <see cref="RegexParser"/> makes it, <see cref="RegexCompiler"/> turns it into instructions.</summary>
internal abstract record RegexNode
{
    /// <summary>Whether the node can match without taking a character.</summary>
    public abstract bool CanBeEmpty { get; }

    internal sealed record Set(CharacterSet Characters) : RegexNode
    {
        public override bool CanBeEmpty => false;
    }

    internal sealed record Concatenation(IReadOnlyList<RegexNode> Parts) : RegexNode
    {
        public override bool CanBeEmpty => Parts.All(part => part.CanBeEmpty);
    }

    internal sealed record Alternation(IReadOnlyList<RegexNode> Choices) : RegexNode
    {
        public override bool CanBeEmpty => Choices.Any(choice => choice.CanBeEmpty);
    }

    /// <param name="Body">What repeats.</param>
    /// <param name="Min">The fewest times.</param>
    /// <param name="Max">The most times; <see cref="int.MaxValue"/> without limit.</param>
    /// <param name="Lazy">Prefer fewer.</param>
    /// <param name="Possessive">Never give back.</param>
    internal sealed record Repetition(RegexNode Body, int Min, int Max, bool Lazy, bool Possessive) : RegexNode
    {
        public override bool CanBeEmpty => Min == 0 || Body.CanBeEmpty;
    }

    internal sealed record Lookahead(RegexNode Body, bool Negative) : RegexNode
    {
        public override bool CanBeEmpty => true;
    }

    internal sealed record Atomic(RegexNode Body) : RegexNode
    {
        public override bool CanBeEmpty => Body.CanBeEmpty;
    }

    internal sealed record Assertion(RegexAssertion Kind) : RegexNode
    {
        public override bool CanBeEmpty => true;
    }
}

/// <summary>Positions that a pattern can ask for.</summary>
internal enum RegexAssertion
{
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordBoundary,
    NotWordBoundary,
}
