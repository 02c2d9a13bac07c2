// The strict compact form of a JWS (RFC 7515, 7.1): what every token of anybody's must be before a key is even looked for.
// Stricter than any library: one text per token, so that a token cannot be respelled, and no member that two readers could read differently.

/** Longer texts are no tokens: in bytes, which are characters here. */
export const compactLimit = 16_384;

export interface Compact {
  /** Protected header: an object with a string `alg`, no member twice, no `crit`. */
  readonly header: Readonly<Record<string, unknown>> & { readonly alg: string };
  /** The payload's bytes. */
  readonly payload: Uint8Array;
  /** What was signed: the first two parts with the dot between them. */
  readonly signingInput: string;
  readonly signature: Uint8Array;
}

/**
 * Reads a compact JWS; undefined for anything else. Three parts of the base64url alphabet, each exactly what encoding its bytes gives (no padding,
 * no stray trailing bits), and a header as `Compact` says. `crit` is refused: we understand no extension (RFC 7515, 4.1.11). Proves nothing.
 */
export function readCompact(text: string): Compact | undefined {
  if (text.length > compactLimit) return undefined;
  const [, head, body, tail] = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)$/.exec(text) ?? [];
  if (head === undefined || body === undefined || tail === undefined) return undefined;
  const header = decode(head);
  const payload = decode(body);
  const signature = decode(tail);
  if (!header || !payload || !signature) return undefined;
  const members = readObject(header);
  if (!members || typeof members['alg'] !== 'string' || Object.hasOwn(members, 'crit')) return undefined;
  return { header: { ...members, alg: members['alg'] }, payload, signingInput: text.slice(0, head.length + 1 + body.length), signature };
}

/** The claims of a token: its payload as a JSON object no member of which, at any depth, is there twice (RFC 7519, section 4); else undefined. */
export function readClaims(compact: Compact): Readonly<Record<string, unknown>> | undefined {
  return readObject(compact.payload);
}

function decode(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : undefined;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const text = utf8.decode(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    // What is written as we would write it repeats nothing, and most tokens are: that is quickly seen.
    if (JSON.stringify(value) !== text && repeatsMember(text)) return undefined;
    // JSON.parse gives objects string members only.
    return value as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** Whether an object in this valid JSON text names a member twice, however it is spelled. */
function repeatsMember(json: string): boolean {
  const open: Set<string>[] = [];
  for (const [token, name] of json.matchAll(/("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (name !== undefined) {
      const members = open.at(-1);
      const spoken: string = JSON.parse(name);
      if (members?.has(spoken)) return true;
      members?.add(spoken);
    }
  }
  return false;
}
