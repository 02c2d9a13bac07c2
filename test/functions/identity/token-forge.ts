// Access tokens that FlowGrid would not make, signed with its own key all the same: the test holds the twin's Key Vault.
import { createHash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { LocalJson } from '../../../local/start/local-json.ts';

export type Members = Readonly<Record<string, unknown>>;

export class TokenForge {
  readonly #vault: LocalJson['keyVault'];

  constructor({ keyVault }: Pick<LocalJson, 'keyVault'>) {
    this.#vault = keyVault;
  }

  /** A token as good as `token`, with these members put in place of its own; undefined takes one out. */
  async like(token: string, { header = {}, claims = {} }: { header?: Members; claims?: Members }): Promise<string> {
    const own = decodeProtectedHeader(token);
    return this.sign(JSON.stringify({ ...own, ...header }), JSON.stringify({ ...decodeJwt(token), ...claims }), String(own.kid));
  }

  /** These very texts, under a version of the key. */
  async sign(header: string, claims: string, version: string): Promise<string> {
    const input = `${part(header)}.${part(claims)}`;
    const value = createHash('sha256').update(input).digest('base64url');
    const signed = await this.#call<{ value: string }>('POST', `/keys/p--tokens/${version}/sign`, { alg: 'ES256', value });
    return `${input}.${signed.value}`;
  }

  /** Makes a new version of the key; answers its `kid`. */
  async rotate(): Promise<string> {
    const { key } = await this.#call<{ key: { kid: string } }>('POST', '/keys/p--tokens/rotate', {});
    return key.kid.slice(key.kid.lastIndexOf('/') + 1);
  }

  async #call<Body>(method: string, path: string, body: object): Promise<Body> {
    const response = await fetch(`${this.#vault.url}${path}?api-version=7.6`, {
      method,
      headers: { authorization: `Bearer ${this.#vault.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`Key Vault answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as Body;
  }
}

function part(text: string): string {
  return Buffer.from(text).toString('base64url');
}
