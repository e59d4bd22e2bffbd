using System.Runtime.InteropServices;

namespace NativeQuant.Models.Tokenizers;

/// <summary>A regular expression over code points, matched by backtracking in the order of its alternatives.</summary>
/// <remarks>
/// .NET's Regex works on UTF-16 units, so that a class like <c>[^\s\p{L}]</c> would match half of an astral letter; hence this one.
/// Patterns come from model files, so the number of steps is limited: a pattern that explodes on a text is an error, not a hang.
/// </remarks>
internal sealed class RegexPattern : TextPattern
{
    private const long BaseSteps = 1_000_000;
    private const long StepsPerChar = 1_000;
    private readonly string source;
    private readonly RegexInstruction[] program;
    private readonly CharacterSet? firstCharacters;

    /// <exception cref="FormatException">The pattern is broken or not supported.</exception>
    public RegexPattern(string pattern)
    {
        source = pattern;
        program = RegexCompiler.Compile(RegexParser.Parse(pattern));
        RegexInstruction first = program[0];
        bool startsWithSet = first.Operation is RegexOperation.Take
            || (first.Operation is RegexOperation.TakeMany or RegexOperation.TakeManyPossessive && first.Min > 0);
        firstCharacters = startsWithSet ? first.Set : null;
    }

    public override bool TryFind(ReadOnlySpan<char> text, int start, out int matchStart, out int matchEnd)
    {
        var matcher = new Matcher(program, text, BaseSteps + StepsPerChar * text.Length);
        for (int position = start, length; position < text.Length; position += length)
        {
            int codePoint = CodePoint.At(text, position, out length);
            if (firstCharacters is not null && !firstCharacters.Contains(codePoint))
            {
                continue;
            }

            int end = matcher.Run(0, position);
            if (matcher.OutOfSteps)
            {
                throw new InvalidOperationException($"The tokenizer's pattern '{source}' takes too many steps on this text of {text.Length} characters.");
            }

            if (end > position)
            {
                (matchStart, matchEnd) = (position, end);
                return true;
            }
        }

        (matchStart, matchEnd) = (text.Length, text.Length);
        return false;
    }

    /// <summary>Where to go on after a failure. A limit ≥ 0 marks a run of characters that can be given back down to it.</summary>
    private readonly record struct Resume(int Instruction, int Position, int Limit);

    private ref struct Matcher(RegexInstruction[] program, ReadOnlySpan<char> text, long steps)
    {
        private readonly RegexInstruction[] program = program;
        private readonly ReadOnlySpan<char> text = text;
        private List<Resume>? pending;
        private long steps = steps;

        public readonly bool OutOfSteps => steps <= 0;

        /// <summary>The end of the match of the instructions from <paramref name="instruction"/> at <paramref name="position"/>, or -1.</summary>
        public int Run(int instruction, int position)
        {
            int floor = pending?.Count ?? 0;
            while (steps-- > 0)
            {
                ref readonly RegexInstruction current = ref program[instruction];
                bool matched = true;
                switch (current.Operation)
                {
                    case RegexOperation.Take:
                        matched = TryTake(current.Set!, ref position);
                        instruction++;
                        break;
                    case RegexOperation.TakeMany:
                    case RegexOperation.TakeManyPossessive:
                        matched = TryTakeMany(in current, instruction + 1, ref position);
                        instruction++;
                        break;
                    case RegexOperation.Fork:
                        Push(new(current.Alternative, position, -1));
                        instruction = current.Target;
                        break;
                    case RegexOperation.Jump:
                        instruction = current.Target;
                        break;
                    case RegexOperation.Assert:
                        matched = Holds(current.Assertion, position);
                        instruction++;
                        break;
                    case RegexOperation.Lookahead:
                    case RegexOperation.NegativeLookahead:
                        matched = Run(instruction + 1, position) >= 0 == (current.Operation == RegexOperation.Lookahead);
                        instruction = current.Target;
                        break;
                    case RegexOperation.Atomic:
                        int end = Run(instruction + 1, position);
                        matched = end >= 0;
                        position = end;
                        instruction = current.Target;
                        break;
                    default:
                        Truncate(floor);
                        return position;
                }

                if (!matched && !TryBacktrack(floor, ref instruction, ref position))
                {
                    return -1;
                }
            }

            return -1;
        }

        private readonly bool TryTake(CharacterSet set, ref int position)
        {
            if (position >= text.Length || !set.Contains(CodePoint.At(text, position, out int length)))
            {
                return false;
            }

            position += length;
            return true;
        }

        private bool TryTakeMany(in RegexInstruction current, int next, ref int position)
        {
            CharacterSet set = current.Set!;
            int start = position, count = 0, limit = -1;
            while (count < current.Max)
            {
                if (count == current.Min)
                {
                    limit = position;
                }

                if (!TryTake(set, ref position))
                {
                    break;
                }

                count++;
            }

            steps -= position - start;
            if (count < current.Min)
            {
                return false;
            }

            if (limit >= 0 && position > limit && current.Operation == RegexOperation.TakeMany)
            {
                Push(new(next, position, limit));
            }

            return true;
        }

        private readonly bool TryBacktrack(int floor, ref int instruction, ref int position)
        {
            if (pending is null || pending.Count == floor)
            {
                return false;
            }

            Resume resume = pending[^1];
            position = resume.Position;
            instruction = resume.Instruction;
            if (resume.Limit >= 0)
            {
                position -= position - resume.Limit > 1 && char.IsLowSurrogate(text[position - 1]) && char.IsHighSurrogate(text[position - 2]) ? 2 : 1;
                if (position > resume.Limit)
                {
                    CollectionsMarshal.AsSpan(pending)[^1] = resume with { Position = position };
                    return true;
                }
            }

            pending.RemoveAt(pending.Count - 1);
            return true;
        }

        private void Push(Resume resume) => (pending ??= []).Add(resume);

        private readonly void Truncate(int floor) => pending?.RemoveRange(floor, pending.Count - floor);

        private readonly bool Holds(RegexAssertion assertion, int position) => assertion switch
        {
            RegexAssertion.TextStart => position == 0,
            RegexAssertion.TextEnd => position == text.Length,
            RegexAssertion.LineStart => position == 0 || text[position - 1] == '\n',
            RegexAssertion.LineEnd => position == text.Length || text[position] == '\n',
            RegexAssertion.WordBoundary => IsWordBefore(position) != IsWordAt(position),
            _ => IsWordBefore(position) == IsWordAt(position),
        };

        private readonly bool IsWordAt(int position) => position < text.Length && CodePoint.IsWord(CodePoint.At(text, position, out _));

        private readonly bool IsWordBefore(int position) =>
            position > 0 && CodePoint.IsWord(position > 1 && char.IsSurrogatePair(text[position - 2], text[position - 1])
                ? char.ConvertToUtf32(text[position - 2], text[position - 1]) : text[position - 1]);
    }
}
