// The JSON Canonicalization Scheme, RFC 8785: one byte sequence for one value, so that it can be signed and hashed. Every event of the ledger and
// every message passes here, so this is written for speed: one pass, no pairs.

/**
 * The canonical text of a JSON value; members that are `undefined` are left out. Throws a TypeError on what JSON cannot hold, objects of a class
 * among them, and a RangeError on what is nested too deep to be walked.
 */
export function canonical(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return canonicalText(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError('only finite numbers have a canonical form');
      // As JSON writes it (ECMA-262, JSON.stringify: a finite number is its String).
      return String(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? canonicalList(value) : canonicalObject(value);
    default:
      throw new TypeError(`a ${typeof value} is not JSON`);
  }
}

/** Printable ASCII without quotation mark and backslash: nothing to escape. */
const bare = /^[ !#-[\]-~]*$/;
/** Beyond this JSON.stringify is the faster one. */
const maxBare = 100;

function canonicalText(text: string): string {
  if (text.length <= maxBare && bare.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new TypeError('a lone surrogate has no canonical form');
  return JSON.stringify(text);
}

function canonicalList(list: readonly unknown[]): string {
  let text = '[';
  for (let at = 0; at < list.length; at++) text += at === 0 ? canonical(list[at]) : `,${canonical(list[at])}`;
  return `${text}]`;
}

function canonicalObject(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError('an object of a class is not JSON');
  let text = '';
  for (const name of sorted(Object.keys(value))) {
    const member: unknown = Reflect.get(value, name);
    if (member !== undefined) text += `${text === '' ? '' : ','}${canonicalText(name)}:${canonical(member)}`;
  }
  return `{${text}}`;
}

/** Few names are sorted faster by hand. */
const few = 16;

/** In place, by UTF-16 code units, which is the order RFC 8785 section 3.2.3 asks for; both `<` and `sort` compare so. */
function sorted(names: string[]): string[] {
  if (names.length > few) return names.sort();
  for (let at = 1; at < names.length; at++) {
    // Both indices are within the list.
    const name = names[at] as string;
    let to = at;
    for (; to > 0 && name < (names[to - 1] as string); to--) names[to] = names[to - 1] as string;
    names[to] = name;
  }
  return names;
}
