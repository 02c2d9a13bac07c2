// Secrets: set, get, update. Values lie in the vault's file as they are: this is a development twin.
import * as z from 'zod';
import type { Database } from '../database.ts';
import { attributesOf, idOf, lifecycleRoutes, type Shape } from './lifecycle.ts';
import { Objects, settings } from './objects.ts';
import { forbidden, notModelled } from './refusal.ts';
import { type Call, type Route, readBodyAs } from './route.ts';

const Secret = z.object({ value: z.string(), contentType: z.string().optional() });
type Secret = z.infer<typeof Secret>;

const maxValueBytes = 25_600;
const contentType = z.string().max(255).optional();
const NewSecret = z.strictObject({
  ...settings,
  contentType,
  value: z.string().refine((value) => Buffer.byteLength(value) <= maxValueBytes, `longer than ${maxValueBytes} bytes`),
});
const Changes = z.strictObject({ ...settings, contentType });

const shape: Shape<Secret> = {
  collection: 'secrets',
  bundle: (stored, id) => ({
    id,
    attributes: attributesOf(stored),
    ...(stored.tags && { tags: stored.tags }),
    ...(stored.content.contentType !== undefined && { contentType: stored.content.contentType }),
  }),
  item: (stored, id) => shape.bundle(stored, id),
};

export function secretRoutes(database: Database, purgeProtection: boolean): Route[] {
  const secrets = new Objects(database, 'Secret', Secret, purgeProtection);

  async function set(call: Call) {
    const { value, contentType, ...given } = readBodyAs(NewSecret, call.body);
    const stored = await database.write(() => secrets.add(call.name, given, { value, contentType }));
    return { status: 200, body: { value, ...shape.bundle(stored, idOf(call, 'secrets', stored)) } };
  }
  async function get(call: Call) {
    if (call.query.has('outContentType')) throw notModelled('outContentType');
    const stored = await database.read(() => secrets.find(call.name, call.version));
    if (!stored.enabled) throw forbidden('Operation get is not allowed on a disabled secret.', 'SecretDisabled');
    return { status: 200, body: { value: stored.content.value, ...shape.bundle(stored, idOf(call, 'secrets', stored)) } };
  }
  async function update(call: Call) {
    const { contentType, ...given } = readBodyAs(Changes, call.body);
    const stored = await database.write(() => {
      const found = secrets.find(call.name, call.version);
      return secrets.change(found, given, { ...found.content, ...(contentType !== undefined && { contentType }) });
    });
    return { status: 200, body: shape.bundle(stored, idOf(call, 'secrets', stored)) };
  }

  secrets.purgeExpired();
  return [
    ...lifecycleRoutes(database, secrets, shape),
    ['PUT', /^\/secrets\/(?<name>[^/]+)\/?$/, set],
    ['GET', /^\/secrets\/(?<name>[^/]+)(\/(?<version>[0-9a-f]{32})?)?$/, get],
    ['PATCH', /^\/secrets\/(?<name>[^/]+)(\/(?<version>[0-9a-f]{32})?)?$/, update],
  ];
}
