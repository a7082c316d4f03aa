/**
 * Text as Python's pickler writes it: UTF-8 with "surrogatepass", where a surrogate that has no partner takes three bytes
 * like any other character of its range. Proper UTF-8 has no way to say it.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const SURROGATE = /[\ud800-\udfff]/u;

/** The text of the bytes; undefined if they are none. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  const short = bytes.length <= SHORT_BYTES ? decodeAscii(bytes) : undefined;
  if (short !== undefined) return short;
  try {
    return strict.decode(bytes);
  } catch {
    return decodeWithSurrogates(bytes);
  }
}

/** Up to here, as most keys and names are, a loop beats the call of a decoder. */
const SHORT_BYTES = 32;

function decodeAscii(bytes: Uint8Array): string | undefined {
  let text = "";
  for (const byte of bytes) {
    if (byte > 0x7f) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

export function encodeUtf8(text: string): Uint8Array {
  if (text.isWellFormed()) return Buffer.from(text, "utf8");
  const parts = text.split(/([\ud800-\udfff])/u).map((part) => {
    return SURROGATE.test(part) ? surrogateBytes(part.charCodeAt(0)) : Buffer.from(part, "utf8");
  });
  return Buffer.concat(parts);
}

/** Decodes what lies between surrogates strictly, and the surrogates by hand. */
function decodeWithSurrogates(bytes: Uint8Array): string | undefined {
  const parts: string[] = [];
  let begin = 0;
  try {
    for (let at = 0; at + 2 < bytes.length; ) {
      const unit = surrogateAt(bytes, at);
      if (unit === undefined) {
        at++;
        continue;
      }
      parts.push(strict.decode(bytes.subarray(begin, at)), String.fromCharCode(unit));
      at += 3;
      begin = at;
    }
    parts.push(strict.decode(bytes.subarray(begin)));
  } catch {
    return undefined;
  }
  return parts.join("");
}

/** 0xED begins U+D000 to U+DFFF; its second byte from 0xA0 on means a surrogate. */
function surrogateAt(bytes: Uint8Array, at: number): number | undefined {
  const second = bytes[at + 1] ?? 0;
  const third = bytes[at + 2] ?? 0;
  if (bytes[at] !== 0xed || second < 0xa0 || second > 0xbf || third < 0x80 || third > 0xbf) return undefined;
  return 0xd000 | ((second & 0x3f) << 6) | (third & 0x3f);
}

function surrogateBytes(unit: number): Uint8Array {
  return Uint8Array.of(0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f));
}
