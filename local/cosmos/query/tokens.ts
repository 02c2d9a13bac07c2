// Splits the text of a query into tokens and walks them; says what is wrong with one as the service does.
import { badRequest, type Refusal } from '../refusal.ts';

export interface Token {
  readonly kind: 'word' | 'string' | 'number' | 'parameter' | 'symbol' | 'end';
  /** As written; of a string, what it stands for. */
  readonly text: string;
  readonly at: number;
}

const maxLength = 256 * 1024;
const pattern =
  /\s+|(?<word>[A-Za-z_]\w*)|(?<parameter>@\w+)|(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<symbol>!=|<>|<=|>=|\|\||\?\?|[-=<>()[\]{},.*:?+/%&|^~])/gy;

/** Words that are no names: after a dot the service wants `c["order"]`. */
const reserved = new Set(
  'AND ARRAY AS ASC BETWEEN BY DESC DISTINCT ESCAPE EXISTS FALSE FROM GROUP IN JOIN LEFT LIKE LIMIT NOT NULL OFFSET OR ORDER RIGHT SELECT TOP TRUE UDF UNDEFINED VALUE WHERE'.split(
    ' ',
  ),
);

export function isReserved(word: string): boolean {
  return reserved.has(word.toUpperCase());
}

/** The tokens of a query and how far they have been read. */
export class Tokens {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  peek(ahead = 0): Token {
    const token = this.#tokens[Math.min(this.#next + ahead, this.#tokens.length - 1)];
    if (!token) throw new Error('a query has at least one token');
    return token;
  }

  take(): Token {
    const token = this.peek();
    this.#next += 1;
    return token;
  }

  /** Takes this keyword or symbol if it is the next token. */
  skip(text: string, ahead = 0): boolean {
    const { kind, text: given } = this.peek(ahead);
    if ((kind !== 'word' && kind !== 'symbol') || given.toUpperCase() !== text) return false;
    this.#next += ahead + 1;
    return true;
  }

  expect(text: string): void {
    if (!this.skip(text)) throw syntaxError(this.peek());
  }

  name(): string {
    const token = this.take();
    if (token.kind !== 'word' || isReserved(token.text)) throw wrongSyntax(token);
    return token.text;
  }

  list<T>(part: () => T): T[] {
    const parts = [part()];
    while (this.skip(',')) parts.push(part());
    return parts;
  }
}

function tokenize(text: string): Token[] {
  if (text.length > maxLength) throw badRequest(`The query is longer than ${maxLength} characters.`);
  const tokens: Token[] = [];
  pattern.lastIndex = 0;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const groups = pattern.exec(text)?.groups;
    if (!groups) throw syntaxError({ kind: 'symbol', text: text.charAt(at), at });
    for (const kind of ['word', 'parameter', 'number', 'string', 'symbol'] as const) {
      const found = groups[kind];
      if (found !== undefined) tokens.push({ kind, text: kind === 'string' ? unescaped(found) : found, at });
    }
  }
  tokens.push({ kind: 'end', text: 'the end', at: text.length });
  return tokens;
}

const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

function unescaped(string: string): string {
  return string
    .slice(1, -1)
    .replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_, hex: string | undefined, character: string) =>
      hex === undefined ? (escapes[character] ?? character) : String.fromCharCode(Number.parseInt(hex, 16)),
    );
}

const features: Readonly<Record<string, string>> = {
  IN: 'iteration with IN in the FROM clause',
  SELECT: 'a subquery',
  UDF: 'a user-defined function',
  '[': 'an array in braces',
  '{': 'an object in braces',
};

/** The query is wrong here, or goes on in a way the twin does not model. */
export function syntaxError(token: Token): Refusal {
  const { kind, text } = token;
  const word = text.toUpperCase();
  if (kind === 'word' && /^(DISTINCT|JOIN|GROUP|HAVING|EXISTS|LIKE|ARRAY)$/.test(word)) return queryNotModelled(word);
  if (kind === 'symbol' && /^[-+*/%&|^~?:]+$/.test(text)) return queryNotModelled(`the operator ${text}`);
  const feature = kind === 'word' || kind === 'symbol' ? features[word] : undefined;
  return feature ? queryNotModelled(feature) : wrongSyntax(token);
}

function wrongSyntax({ text, at }: Token): Refusal {
  const location = { start: at, end: at + text.length };
  const error = { severity: 'Error', location, code: 'SC1001', message: `Syntax error, incorrect syntax near '${text}'.` };
  return badRequest(JSON.stringify({ errors: [error] }));
}

export function queryNotModelled(feature: string): Refusal {
  return badRequest(`The local twin does not model ${feature} in queries (local/LIMITS.md).`);
}
