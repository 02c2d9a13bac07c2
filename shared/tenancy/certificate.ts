// The certificate of an erasure: a compact JWS (RFC 7515) by the platform, which says what was destroyed when.
import { now } from '../clock/clock.ts';
import type { Config } from '../config/config.ts';
import type { PlatformScope } from '../scope/scope.ts';
import type { Vault } from '../vault/vault.ts';
import type { Erasure } from './erasure.ts';

/** The platform's signing key for this, `p--certificates` in Key Vault. */
export const certificateKey = 'certificates';

interface Services {
  readonly config: Config;
  readonly platform: PlatformScope;
  readonly vault: Vault;
}

/** Signs what stands in the record. Its key comes along as `jwk`, so that it can be checked when we no longer answer. */
export async function certify({ config, platform, vault }: Services, erasure: Erasure): Promise<string> {
  await vault.ensurePlatformKey(platform, certificateKey);
  const [newest] = await vault.platformKeyVersions(platform, certificateKey);
  if (!newest) throw new Error('the certificates have no key');
  const { tenantId, requestedAt, deleted, keyRecoverableUntil, backupsUntil } = erasure;
  const header = { alg: 'ES256', typ: 'flowgrid-erasure+jwt', kid: newest.version, jwk: newest.jwk };
  const claims = {
    iss: config.baseUrl,
    sub: tenantId,
    iat: Math.floor(now() / 1_000),
    requestedAt,
    deleted,
    keyRecoverableUntil,
    backupsUntil,
  };
  const signed = `${encode(header)}.${encode(claims)}`;
  const signature = await vault.sign(platform, certificateKey, newest.version, Buffer.from(signed));
  return `${signed}.${signature.toString('base64url')}`;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
