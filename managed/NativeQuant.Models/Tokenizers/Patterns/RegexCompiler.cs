namespace NativeQuant.Models.Tokenizers;

internal enum RegexOperation
{
    /// <summary>Takes one character of the set.</summary>
    Take,

    /// <summary>Takes Min to Max characters of the set, as many as there are, and gives back one by one.</summary>
    TakeMany,

    /// <summary>The same without giving back.</summary>
    TakeManyPossessive,

    /// <summary>Goes on at Target; should that fail, at Alternative.</summary>
    Fork,

    /// <summary>Goes on at Target.</summary>
    Jump,

    /// <summary>Fails unless the position is of the asked kind.</summary>
    Assert,

    /// <summary>Runs the instructions up to Target; goes on at Target, from where it started, if they match.</summary>
    Lookahead,

    /// <summary>The same if they do not match.</summary>
    NegativeLookahead,

    /// <summary>Runs the instructions up to Target; goes on there from the end of their first match.</summary>
    Atomic,

    /// <summary>The program, or the inner part of a lookahead or atomic group, has matched.</summary>
    Accept,
}

/// <summary>One instruction of a compiled pattern.</summary>
internal readonly record struct RegexInstruction(
    RegexOperation Operation,
    CharacterSet? Set = null,
    int Target = 0,
    int Alternative = 0,
    int Min = 0,
    int Max = 0,
    RegexAssertion Assertion = default);

/// <summary>Turns a parsed pattern into instructions of a backtracking matcher.</summary>
internal sealed class RegexCompiler
{
    private const int MaxInstructions = 10_000;
    private readonly List<RegexInstruction> program = [];

    /// <exception cref="FormatException">The pattern would be too long once its counted repetitions are written out.</exception>
    public static RegexInstruction[] Compile(RegexNode node)
    {
        var compiler = new RegexCompiler();
        compiler.Emit(node);
        compiler.Add(new(RegexOperation.Accept));
        return [.. compiler.program];
    }

    private int Add(RegexInstruction instruction)
    {
        if (program.Count == MaxInstructions)
        {
            throw new FormatException($"the pattern is too long (more than {MaxInstructions} instructions)");
        }

        program.Add(instruction);
        return program.Count - 1;
    }

    private void Emit(RegexNode node)
    {
        switch (node)
        {
            case RegexNode.Set set:
                Add(new(RegexOperation.Take, set.Characters));
                break;
            case RegexNode.Concatenation concatenation:
                foreach (RegexNode part in concatenation.Parts)
                {
                    Emit(part);
                }

                break;
            case RegexNode.Alternation alternation:
                EmitAlternation(alternation.Choices);
                break;
            case RegexNode.Repetition repetition:
                EmitRepetition(repetition);
                break;
            case RegexNode.Lookahead lookahead:
                EmitInner(lookahead.Negative ? RegexOperation.NegativeLookahead : RegexOperation.Lookahead, lookahead.Body);
                break;
            case RegexNode.Atomic atomic:
                EmitInner(RegexOperation.Atomic, atomic.Body);
                break;
            case RegexNode.Assertion assertion:
                Add(new(RegexOperation.Assert, Assertion: assertion.Kind));
                break;
            default:
                throw new FormatException($"the pattern node {node.GetType().Name} is not known");
        }
    }

    private void EmitAlternation(IReadOnlyList<RegexNode> choices)
    {
        var ends = new List<int>();
        for (int i = 0; i < choices.Count - 1; i++)
        {
            int fork = Add(new(RegexOperation.Fork));
            Emit(choices[i]);
            ends.Add(Add(new(RegexOperation.Jump)));
            program[fork] = new(RegexOperation.Fork, Target: fork + 1, Alternative: program.Count);
        }

        Emit(choices[^1]);
        foreach (int end in ends)
        {
            program[end] = new(RegexOperation.Jump, Target: program.Count);
        }
    }

    private void EmitInner(RegexOperation operation, RegexNode body)
    {
        int start = Add(new(operation));
        Emit(body);
        Add(new(RegexOperation.Accept));
        program[start] = new(operation, Target: program.Count);
    }

    private void EmitRepetition(RegexNode.Repetition repetition)
    {
        (RegexNode body, int min, int max, bool lazy, bool possessive) = repetition;
        if (body is RegexNode.Set set && !lazy)
        {
            Add(new(possessive ? RegexOperation.TakeManyPossessive : RegexOperation.TakeMany, set.Characters, Min: min, Max: max));
            return;
        }

        if (possessive)
        {
            EmitInner(RegexOperation.Atomic, repetition with { Possessive = false });
            return;
        }

        for (int i = 0; i < min; i++)
        {
            Emit(body);
        }

        if (max == int.MaxValue)
        {
            int fork = Add(new(RegexOperation.Fork));
            Emit(body);
            Add(new(RegexOperation.Jump, Target: fork));
            program[fork] = Choice(lazy, fork + 1, program.Count);
            return;
        }

        var forks = new List<int>();
        for (int i = min; i < max; i++)
        {
            forks.Add(Add(new(RegexOperation.Fork)));
            Emit(body);
        }

        foreach (int fork in forks)
        {
            program[fork] = Choice(lazy, fork + 1, program.Count);
        }
    }

    private static RegexInstruction Choice(bool lazy, int more, int done) =>
        new(RegexOperation.Fork, Target: lazy ? done : more, Alternative: lazy ? more : done);
}
