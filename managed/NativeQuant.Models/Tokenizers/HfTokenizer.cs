namespace NativeQuant.Models.Tokenizers;

/// <summary>A tokenizer read from a Hugging Face tokenizer.json, with the same ids as the reference library's.</summary>
/// <remarks>
/// Supported are BPE models with every component that byte-level (GPT-2, Llama 3, Qwen, …) and SentencePiece-style (Llama 2, Mistral,
/// Gemma, …) language models use; anything else is refused by name when the file is read. Truncation and padding that a file may ask
/// for are not applied. Thread-safe.
/// </remarks>
public sealed class HfTokenizer : Tokenizer
{
    private readonly TokenizerComponents components;
    private readonly SpecialTokenNames specialTokens;

    internal HfTokenizer(TokenizerComponents components, SpecialTokenNames specialTokens)
    {
        this.components = components;
        this.specialTokens = specialTokens;
        VocabularySize = components.Model.Vocabulary.Count
            + components.AddedTokens.Tokens.Count(token => components.Model.Vocabulary.TokenOf(token.Id) is null);
    }

    /// <inheritdoc/>
    public override int VocabularySize { get; }

    /// <inheritdoc/>
    public override int? BosTokenId => IdOf(specialTokens.Bos);

    /// <inheritdoc/>
    public override int? EosTokenId => IdOf(specialTokens.Eos);

    /// <inheritdoc/>
    public override int? PadTokenId => IdOf(specialTokens.Pad);

    /// <inheritdoc/>
    public override int? UnknownTokenId => IdOf(specialTokens.Unknown);

    /// <summary>Reads a tokenizer.json. The special ids stay unknown, since they are named in the file beside it; see <see cref="FromDirectory"/>.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="TokenizerFormatException">The file is damaged, or asks for something that is not supported.</exception>
    public static HfTokenizer FromFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new HfTokenizer(TokenizerFile.Read(path), SpecialTokenNames.None);
    }

    /// <summary>Reads tokenizer.json, and tokenizer_config.json where there is one, from a model's folder.</summary>
    /// <param name="path">The folder.</param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">The folder has no tokenizer.json.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="TokenizerFormatException">A file is damaged, or asks for something that is not supported.</exception>
    public static HfTokenizer FromDirectory(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Directory.Exists(path))
        {
            throw new DirectoryNotFoundException($"There is no folder '{path}' to read a tokenizer from.");
        }

        TokenizerComponents components = TokenizerFile.Read(Path.Combine(path, "tokenizer.json"));
        return new HfTokenizer(components, SpecialTokenNames.Read(Path.Combine(path, "tokenizer_config.json")));
    }

    /// <summary>Reads a tokenizer.json from a stream, to its end. The stream stays open.</summary>
    /// <param name="stream">The stream.</param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="stream"/> is null.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    /// <exception cref="TokenizerFormatException">The text is damaged, or asks for something that is not supported.</exception>
    public static HfTokenizer FromStream(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return new HfTokenizer(TokenizerFile.Read(stream), SpecialTokenNames.None);
    }

    /// <inheritdoc/>
    public override string Decode(IEnumerable<int> ids, bool skipSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(ids);
        DecodeStream stream = CreateDecodeStream(skipSpecialTokens);
        foreach (int id in ids)
        {
            stream.Feed(id);
        }

        return stream.Flush();
    }

    /// <inheritdoc/>
    public override DecodeStream CreateDecodeStream(bool skipSpecialTokens = true) => new(TokenToDecode, components.Decoder, skipSpecialTokens);

    /// <inheritdoc/>
    public override bool TryGetTokenId(string token, out int id)
    {
        ArgumentNullException.ThrowIfNull(token);
        if (components.AddedTokens.TryGet(token, out AddedToken? added))
        {
            id = added!.Id;
            return true;
        }

        return components.Model.Vocabulary.TryGetId(token, out id);
    }

    /// <inheritdoc/>
    public override string? IdToToken(int id) =>
        components.AddedTokens.TryGet(id, out AddedToken? added) ? added!.Content : components.Model.Vocabulary.TokenOf(id);

    /// <inheritdoc/>
    public override bool IsSpecialToken(int id) => components.AddedTokens.TryGet(id, out AddedToken? added) && added!.Special;

    /// <inheritdoc/>
    protected override List<int> EncodeIds(string text, in EncodeSettings settings) => Encode(text, in settings, trackOffsets: false).Ids;

    /// <inheritdoc/>
    protected override List<EncodedToken> EncodeTokens(string text, in EncodeSettings settings, out string? normalizedText)
    {
        EncodedText encoded = Encode(text, in settings, trackOffsets: true);
        string normalized = encoded.NormalizedText.ToString();
        normalizedText = normalized == text ? null : normalized;
        var tokens = new List<EncodedToken>(encoded.Ids.Count);
        for (int i = 0; i < encoded.Ids.Count; i++)
        {
            (int start, int end) = encoded.Ranges[i];
            tokens.Add(new EncodedToken(encoded.Ids[i], IdToToken(encoded.Ids[i]) ?? "", start..end));
        }

        return tokens;
    }

    private EncodedText Encode(string text, in EncodeSettings settings, bool trackOffsets)
    {
        var encoded = new EncodedText(trackOffsets, settings.MaxTokenCount);
        string wellFormed = CodePoint.WellFormed(text);
        if (components.AddedTokens.Raw is { } splitter)
        {
            foreach (AddedTokenSplitter.Part part in splitter.Split(wellFormed))
            {
                if (part.Token is { } token)
                {
                    encoded.AddToken(token.Id, wellFormed.AsSpan(part.Start, part.End - part.Start));
                }
                else
                {
                    EncodeSection(wellFormed[part.Start..part.End], part.Start == 0, in settings, encoded);
                }
            }
        }
        else
        {
            EncodeSection(wellFormed, startsText: true, in settings, encoded);
        }

        if (settings.AddSpecialTokens)
        {
            components.PostProcessor?.Apply(encoded);
        }

        return encoded;
    }

    /// <summary>Encodes what lies between added tokens of the text as given: normalization works on each such section by itself.</summary>
    private void EncodeSection(string section, bool startsText, in EncodeSettings settings, EncodedText encoded)
    {
        string normalized = settings.ConsiderNormalization && components.Normalizer is { } normalizer ? normalizer.Normalize(section) : section;
        if (components.AddedTokens.Normalized is not { } splitter)
        {
            EncodeWords(normalized, startsText, in settings, encoded);
            return;
        }

        foreach (AddedTokenSplitter.Part part in splitter.Split(normalized))
        {
            string text = normalized[part.Start..part.End];
            if (part.Token is { } token)
            {
                encoded.AddToken(token.Id, text);
            }
            else
            {
                EncodeWords(text, startsText && part.Start == 0, in settings, encoded);
            }
        }
    }

    private void EncodeWords(string text, bool startsText, in EncodeSettings settings, EncodedText encoded)
    {
        if (encoded.IsFull && !encoded.TracksOffsets)
        {
            return;
        }

        var words = new PreTokenizedText(text, startsText, keepWhole: !settings.ConsiderPreTokenization, encoded.TracksOffsets);
        components.PreTokenizer?.Apply(words);
        encoded.AddWords(words, components.Model, text);
    }

    private int? IdOf(string? token) => token is not null && TryGetTokenId(token, out int id) ? id : null;

    private string? TokenToDecode(int id, bool skipSpecialTokens)
    {
        if (components.AddedTokens.TryGet(id, out AddedToken? added))
        {
            return skipSpecialTokens && added!.Special ? null : added!.Content;
        }

        return components.Model.Vocabulary.TokenOf(id);
    }
}
