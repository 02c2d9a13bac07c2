// The JSON Canonicalization Scheme, RFC 8785: one byte sequence for one value, so that it can be signed and hashed.

/** The canonical text of a JSON value; members that are `undefined` are left out. Throws a TypeError on what JSON cannot hold. */
export function canonical(value: unknown): string {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw new TypeError('a lone surrogate has no canonical form');
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError('only finite numbers have a canonical form');
      return JSON.stringify(value);
    case 'boolean':
      return String(value);
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
      return canonicalObject(value);
    default:
      throw new TypeError(`a ${typeof value} is not JSON`);
  }
}

/** Every event of the ledger passes here, so this is written for speed: one pass, no pairs. */
function canonicalObject(value: object): string {
  let text = '';
  // The default order of `sort` compares UTF-16 code units, which is the order RFC 8785 section 3.2.3 asks for.
  for (const name of Object.keys(value).sort()) {
    const member: unknown = Reflect.get(value, name);
    if (member !== undefined) text += `${text === '' ? '' : ','}${canonical(name)}:${canonical(member)}`;
  }
  return `{${text}}`;
}
