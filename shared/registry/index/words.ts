// What counts as a word, in what is searched and in what is searched for.

/** The words of a text, in lower case and without what only looks different (compatibility forms of Unicode). */
export function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}
