// Keys: create, rotate, get, update, and the operations done with a key. The private part never leaves.
import * as z from 'zod';
import type { Database } from '../database.ts';
import { generateMaterial, Material, type Operation, operations, publicPart, rsaBits, sign, transport, verify } from './key-material.ts';
import { attributesOf, idOf, lifecycleRoutes, type Shape } from './lifecycle.ts';
import { Objects, type Stored, settings } from './objects.ts';
import { badParameter, forbidden, notModelled } from './refusal.ts';
import { type Call, type Route, readBodyAs } from './route.ts';

const Key = z.object({ material: Material, operations: z.array(z.enum(operations)) });
type Key = z.infer<typeof Key>;

const key_ops = z.array(z.enum(operations)).optional();
const NewKey = z.strictObject({
  ...settings,
  kty: z.enum(['RSA', 'EC', 'RSA-HSM', 'EC-HSM', 'oct', 'oct-HSM']),
  key_size: z.literal([2048, 3072, 4096]).optional(),
  crv: z.enum(['P-256', 'P-384', 'P-521', 'P-256K']).optional(),
  key_ops,
});
const Changes = z.strictObject({ ...settings, key_ops });
const Nothing = z.strictObject({});

const bytes = z
  .string()
  .regex(/^[A-Za-z0-9_-]*$/, 'not base64url')
  .transform((text) => Buffer.from(text, 'base64url'));
const Use = z.strictObject({ alg: z.string(), value: bytes });
const Verify = z.strictObject({ alg: z.string(), digest: bytes, value: bytes });

const shape: Shape<Key> = {
  collection: 'keys',
  bundle: (stored, kid) => ({
    key: { kid, key_ops: stored.content.operations, ...publicPart(stored.content.material) },
    attributes: attributesOf(stored),
    ...(stored.tags && { tags: stored.tags }),
  }),
  item: (stored, kid) => ({ kid, attributes: attributesOf(stored), ...(stored.tags && { tags: stored.tags }) }),
};

/** What a key of another size costs in requests to one RSA-2048 or P-256 key (service limits: 4,000, 1,000 and 500 per 10 s). */
function weight(stored: Stored<Key>): number {
  return { 3072: 4, 4096: 8 }[rsaBits(stored.content.material) ?? 0] ?? 1;
}

function operationsOf(kty: 'RSA' | 'EC', given: Operation[] | undefined): Operation[] {
  const possible: readonly Operation[] = kty === 'RSA' ? operations : ['sign', 'verify'];
  const impossible = given?.find((operation) => !possible.includes(operation));
  if (impossible) throw badParameter(`key_ops ${impossible} is not possible for a key of type ${kty}`);
  return given ?? [...possible];
}

/** Disabled keys do nothing; outside nbf and exp only what reads old data goes on (about keys: date-time controlled operations). */
function checkUse(stored: Stored<Key>, operation: Operation): void {
  if (!stored.enabled) throw forbidden(`Operation ${operation} is not allowed on a disabled key.`, 'KeyDisabled');
  const now = Date.now() / 1_000;
  const timely = (stored.nbf === null || stored.nbf <= now) && (stored.exp === null || now < stored.exp);
  if (!timely && (operation === 'wrapKey' || operation === 'sign')) {
    throw forbidden(`Operation ${operation} is not allowed on a key that is not yet valid or expired.`, 'KeyNotYetValidOrExpired');
  }
  if (!stored.content.operations.includes(operation)) {
    throw forbidden(`Operation ${operation} is not permitted on this key.`, 'KeyOperationForbidden');
  }
}

export function keyRoutes(database: Database, purgeProtection: boolean): Route[] {
  const keys = new Objects(database, 'Key', Key, purgeProtection);
  const answer = (call: Call, stored: Stored<Key>) => ({ status: 200, body: shape.bundle(stored, idOf(call, 'keys', stored)) });

  async function create(call: Call) {
    const { kty, key_size, crv, key_ops, ...given } = readBodyAs(NewKey, call.body);
    if (kty !== 'RSA' && kty !== 'EC') throw notModelled(`Key type ${kty}`);
    if (crv !== undefined && crv !== 'P-256') throw notModelled(`Curve ${crv}`);
    const operations = operationsOf(kty, key_ops);
    await database.read(() => keys.checkNotDeleted(call.name));
    const material = await generateMaterial(kty, key_size ?? 2048);
    return answer(call, await database.write(() => keys.add(call.name, given, { material, operations })));
  }
  async function rotate(call: Call) {
    readBodyAs(Nothing, call.body);
    const { enabled, content, tags } = await database.read(() => keys.find(call.name));
    if (!enabled) throw forbidden('Operation rotate is not allowed on a disabled key.', 'KeyDisabled');
    const material = await generateMaterial(content.material.kty, rsaBits(content.material) ?? 0);
    return answer(
      call,
      await database.write(() => {
        keys.find(call.name);
        return keys.add(call.name, { tags }, { ...content, material });
      }),
    );
  }
  async function get(call: Call) {
    const stored = await database.read(() => keys.find(call.name, call.version));
    call.spend(weight(stored) - 1);
    return answer(call, stored);
  }
  async function update(call: Call) {
    const { key_ops, ...given } = readBodyAs(Changes, call.body);
    const stored = await database.write(() => {
      const found = keys.find(call.name, call.version);
      call.spend(weight(found) - 1);
      const operations = key_ops ? operationsOf(found.content.material.kty, key_ops) : found.content.operations;
      return keys.change(found, given, { ...found.content, operations });
    });
    return answer(call, stored);
  }
  async function take(call: Call, operation: Operation): Promise<{ kid: string; material: Material }> {
    const stored = await database.read(() => keys.find(call.name, call.version));
    call.spend(weight(stored) - 1);
    checkUse(stored, operation);
    return { kid: idOf(call, 'keys', stored), material: stored.content.material };
  }
  const wrapping = (operation: 'wrapKey' | 'unwrapKey') => async (call: Call) => {
    const { alg, value } = readBodyAs(Use, call.body);
    const { kid, material } = await take(call, operation);
    return { status: 200, body: { kid, value: transport(operation, material, alg, value).toString('base64url') } };
  };
  async function signDigest(call: Call) {
    const { alg, value } = readBodyAs(Use, call.body);
    const { kid, material } = await take(call, 'sign');
    return { status: 200, body: { kid, value: sign(material, alg, value).toString('base64url') } };
  }
  async function verifyDigest(call: Call) {
    const { alg, digest, value } = readBodyAs(Verify, call.body);
    const { material } = await take(call, 'verify');
    return { status: 200, body: { value: verify(material, alg, digest, value) } };
  }

  keys.purgeExpired();
  const use = (verb: string) => new RegExp(`^/keys/(?<name>[^/]+)/(?<version>[0-9a-f]{32})?/${verb}$`);
  return [
    ...lifecycleRoutes(database, keys, shape),
    ['POST', /^\/keys\/(?<name>[^/]+)\/create$/, create],
    ['POST', /^\/keys\/(?<name>[^/]+)\/rotate$/, rotate],
    ['GET', /^\/keys\/(?<name>[^/]+)(\/(?<version>[0-9a-f]{32})?)?$/, get],
    ['PATCH', /^\/keys\/(?<name>[^/]+)(\/(?<version>[0-9a-f]{32})?)?$/, update],
    ['POST', use('wrapkey'), wrapping('wrapKey')],
    ['POST', use('unwrapkey'), wrapping('unwrapKey')],
    ['POST', use('sign'), signDigest],
    ['POST', use('verify'), verifyDigest],
  ];
}
