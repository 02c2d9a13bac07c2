// Patterns with `*` (any characters, or none) and `?` (exactly one), regardless of case, on a text as a whole. No regular expression: whatever the
// pattern, a match takes at most text × pattern steps.

/** A test for this pattern; the text must be in lower case already. */
export function compileGlob(pattern: string): (text: string) => boolean {
  const parts = pattern.toLowerCase().split(/\*+/);
  const [first = ''] = parts;
  const last = parts.at(-1) ?? '';
  if (parts.length === 1) return (text) => text.length === first.length && isAt(text, first, 0);
  const inner = parts.slice(1, -1).map((part) => ({ part, find: part.includes('?') ? findWild : find }));
  return (text) => {
    const end = text.length - last.length;
    if (end < first.length || !isAt(text, first, 0) || !isAt(text, last, end)) return false;
    let from = first.length;
    // The leftmost place is always as good as any later one.
    for (const each of inner) {
      const at = each.find(text, each.part, from);
      if (at < 0) return false;
      from = at + each.part.length;
    }
    return from <= end;
  };
}

/** The longest part of a pattern that whatever matches it must hold. */
export function anchorOf(pattern: string): string {
  const parts = pattern.toLowerCase().split(/[*?]/);
  return parts.reduce((longest, part) => (part.length > longest.length ? part : longest), '');
}

function find(text: string, part: string, from: number): number {
  return text.indexOf(part, from);
}

function findWild(text: string, part: string, from: number): number {
  for (let at = from; at + part.length <= text.length; at++) if (isAt(text, part, at)) return at;
  return -1;
}

function isAt(text: string, part: string, start: number): boolean {
  for (let at = 0; at < part.length; at++) {
    const wanted = part.charCodeAt(at);
    if (wanted !== question && wanted !== text.charCodeAt(start + at)) return false;
  }
  return true;
}

const question = '?'.charCodeAt(0);
