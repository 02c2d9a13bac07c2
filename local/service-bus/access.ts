// Shared access signatures: reading a token, and what it opens. Nothing is cached: a rule or key that changes is asked at every check.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Queues } from './queues.ts';
import { type Right, rights } from './settings.ts';

export const ROOT_RULE = 'RootManageSharedAccessKey';

/** `SharedAccessSignature sr=…&sig=…&se=…&skn=…`, fields in any order. */
export interface SasToken {
  /** The path `sr` names, lower case; '' is the namespace. */
  readonly path: string;
  readonly signed: string;
  readonly signature: Buffer;
  /** In ms since 1970. */
  readonly expires: number;
  readonly rule: string;
}

/** Why a token does not open a path, in the service's words. */
export class Refusal extends Error {}

/** @throws Refusal */
export function parseToken(text: string): SasToken {
  const [, fields] = /^SharedAccessSignature (.+)$/.exec(text) ?? [];
  const given = new Map(
    (fields ?? '').split('&').map((field) => [field.slice(0, field.indexOf('=')), field.slice(field.indexOf('=') + 1)]),
  );
  const [resource, signature, expires, rule] = ['sr', 'sig', 'se', 'skn'].map((name) => given.get(name));
  if (!resource || !signature || !rule || !expires || !/^\d{1,12}$/.test(expires))
    throw new Refusal('MalformedToken: The token is malformed.');
  try {
    return {
      path: resourcePath(decodeURIComponent(resource)),
      signed: `${resource}\n${expires}`,
      signature: Buffer.from(decodeURIComponent(signature), 'base64'),
      expires: Number(expires) * 1_000,
      rule: decodeURIComponent(rule),
    };
  } catch {
    throw new Refusal('MalformedToken: The token is malformed.');
  }
}

/**
 * The path of `sb://host:port/path?query`, or of `host:port/path`, in lower case. The host is not compared: the twin has one namespace. Dots are
 * not resolved, so `a/../b` is below `a` and is no queue.
 */
export function resourcePath(resource: string): string {
  return resource
    .toLowerCase()
    .replace(/^[a-z]+:\/\//, '')
    .replace(/^[^/?]*/, '')
    .replace(/\?.*$/, '')
    .replace(/^\/|\/$/g, '');
}

/** The path of a link's address: `path`, `/path` or `amqps://host/path`. */
export function addressPath(address: string): string {
  return address.includes('://') ? resourcePath(address) : address.toLowerCase().replace(/^\//, '');
}

/** Whether a path is another or lies below it; all lie below ''. */
export function isBelow(above: string, path: string): boolean {
  return above === '' || path === above || path.startsWith(`${above}/`);
}

export class Guard {
  readonly #queues: Queues;
  readonly #rootKey: string;

  constructor(queues: Queues, rootKey: string) {
    this.#queues = queues;
    this.#rootKey = rootKey;
  }

  /**
   * The rights a token gives on a path: its `sr` must be the path or above it, and its rule must be of that very queue or of the namespace, so
   * a token for `a` opens neither `ab` nor a queue named `a/b`.
   * @throws Refusal
   */
  rightsOf(token: SasToken, path: string): readonly Right[] {
    if (token.expires <= Date.now()) {
      throw new Refusal(`ExpiredToken: The token is expired. Expiration time: '${new Date(token.expires).toISOString()}'.`);
    }
    if (token.path !== '' && !isBelow(token.path, path)) {
      throw new Refusal('InvalidAudience: The authorization header contains a token with a wrong audience.');
    }
    const ofQueue = (this.#queues.resolve(path)?.queue.settings.authorizationRules ?? []).filter((rule) => rule.keyName === token.rule);
    const root = { rights, primaryKey: this.#rootKey, secondaryKey: this.#rootKey };
    const rule = [...ofQueue, ...(token.rule === ROOT_RULE ? [root] : [])].find((candidate) =>
      [candidate.primaryKey, candidate.secondaryKey].some((key) => signedWith(key, token)),
    );
    if (!rule) throw new Refusal('InvalidSignature: The token has an invalid signature.');
    return rule.rights;
  }
}

function signedWith(key: string, token: SasToken): boolean {
  const expected = createHmac('sha256', key).update(token.signed).digest();
  return token.signature.length === expected.length && timingSafeEqual(token.signature, expected);
}

/** The tokens one connection has put, each good for one audience and what lies below it. */
export class Claims {
  readonly #guard: Guard;
  readonly #queues: Queues;
  readonly #tokens = new Map<string, SasToken>();

  constructor(guard: Guard, queues: Queues) {
    this.#guard = guard;
    this.#queues = queues;
  }

  /** @throws Refusal */
  put(audience: string, token: SasToken): void {
    this.#guard.rightsOf(token, audience);
    // Only what can be attached to is worth keeping, which also bounds how many there are.
    if (audience === '' || this.#queues.resolve(audience)) this.#tokens.set(audience, token);
  }

  allows(path: string, wanted: readonly Right[]): boolean {
    for (const audience of [...upwards(path), '']) {
      const token = this.#tokens.get(audience);
      try {
        if (token && this.#guard.rightsOf(token, path).some((right) => wanted.includes(right))) return true;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
      }
    }
    return false;
  }

  /** When the next token ends, in ms since 1970; tokens that have ended are forgotten. */
  nextEnd(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const [audience, { expires }] of this.#tokens) {
      if (expires <= Date.now()) this.#tokens.delete(audience);
      else next = Math.min(next, expires);
    }
    return next;
  }
}

/** `a/b/c`, `a/b`, `a`. */
function upwards(path: string): string[] {
  const parts = path.split('/');
  return parts.map((_, i) => parts.slice(0, parts.length - i).join('/'));
}
