"""Writes normalization.bin, the tables of UnicodeNormalizationData, from Python's own Unicode Character Database.

Usage: python3 generate_normalization_data.py normalization.bin

All numbers are LEB128. Four sections, each a count and its entries in code point order (code points as differences):
  canonical decompositions, in full:      code point, length, code points
  compatibility decompositions, in full:  the same, only where they differ from the canonical ones
  combining classes other than 0:         code point, class
  compositions:                           composite (difference), first, second
Hangul syllables are computed, not listed.
"""
import sys
import unicodedata

HANGUL = range(0xAC00, 0xAC00 + 11172)
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and c not in HANGUL]


def number(out, value):
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def section(out, entries):
    number(out, len(entries))
    previous = 0
    for code_point, values in entries:
        number(out, code_point - previous)
        previous = code_point
        for value in values:
            number(out, value)


def decompositions(form, other=None):
    for code_point in CODE_POINTS:
        text = unicodedata.normalize(form, chr(code_point))
        if text != chr(code_point) and (other is None or text != unicodedata.normalize(other, chr(code_point))):
            yield code_point, [len(text), *map(ord, text)]


def compositions():
    for code_point in CODE_POINTS:
        parts = unicodedata.decomposition(chr(code_point)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            pair = [int(part, 16) for part in parts]
            # Composition exclusions are those that normalization takes apart and does not put together again.
            if unicodedata.normalize("NFC", chr(code_point)) == chr(code_point):
                yield code_point, pair


def main():
    out = bytearray()
    section(out, list(decompositions("NFD")))
    section(out, list(decompositions("NFKD", "NFD")))
    section(out, [(c, [unicodedata.combining(chr(c))]) for c in CODE_POINTS if unicodedata.combining(chr(c))])
    section(out, list(compositions()))
    with open(sys.argv[1], "wb") as file:
        file.write(out)
    print(f"Unicode {unicodedata.unidata_version}: {len(out)} bytes")


if __name__ == "__main__":
    main()
