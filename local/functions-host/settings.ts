// The two files beside an app, host.json and local.settings.json, and the `%NAME%` references of its bindings.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';

const logLevel = z.string().regex(/^(trace|debug|information|warning|error|critical|none)$/i, 'not a log level');
const timeSpan = z.string().transform((text, context) => {
  const match = /^(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.\d+)?$/.exec(text);
  if (!match) context.addIssue({ code: 'custom', message: 'not a time span (d.hh:mm:ss)' });
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = (match ?? []).slice(1).map((part) => Number(part ?? 0));
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000;
});

/**
 * What of host.json this host acts on. Within `extensions` a setting it does not know is refused, as it would change answers; other sections
 * (functionTimeout, concurrency, extensionBundle, telemetry) concern the platform and are not looked at.
 */
const HostJson = z.object({
  version: z.literal('2.0'),
  logging: z.object({ logLevel: z.record(z.string(), logLevel).default({}) }).default({ logLevel: {} }),
  extensions: z
    .strictObject({
      http: z.strictObject({ routePrefix: z.string().default('api') }).prefault({}),
      serviceBus: z
        .strictObject({
          maxConcurrentCalls: z.int().min(1).default(16),
          maxAutoLockRenewalDuration: timeSpan.prefault('00:05:00'),
          autoCompleteMessages: z.boolean().default(true),
          // for sessions and batches, which are refused where a trigger asks for them
          maxConcurrentSessions: z.unknown().optional(),
          sessionIdleTimeout: z.unknown().optional(),
          maxMessageBatchSize: z.unknown().optional(),
          minMessageBatchSize: z.unknown().optional(),
          maxBatchWaitTime: z.unknown().optional(),
        })
        .prefault({}),
    })
    .prefault({}),
});
export type HostJson = z.infer<typeof HostJson>;

const LocalSettings = z.object({ IsEncrypted: z.literal(false).default(false), Values: z.record(z.string(), z.string()).default({}) });

/** Throws if the file is missing, is not JSON or asks for what is not modelled. */
export function readHostJson(root: string): Promise<HostJson> {
  return readJson(join(root, 'host.json'), HostJson);
}

/** The `Values` of local.settings.json; none if there is no such file. */
export async function readLocalSettings(root: string): Promise<Readonly<Record<string, string>>> {
  try {
    return (await readJson(join(root, 'local.settings.json'), LocalSettings)).Values;
  } catch (error) {
    if (error instanceof Error && error.cause instanceof Error && 'code' in error.cause && error.cause.code === 'ENOENT') return {};
    throw error;
  }
}

async function readJson<T>(file: string, shape: z.ZodType<T>): Promise<T> {
  let json: unknown;
  try {
    json = JSON.parse((await readFile(file, 'utf8')).replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new Error(`${file} cannot be read: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  const read = shape.safeParse(json);
  if (!read.success) throw new Error(`${file} is not modelled by this host:\n${z.prettifyError(read.error)}`);
  return read.data;
}

/** Puts app settings into the environment, which keeps what it already has; earlier ones win over later ones. */
export function applySettings(...settings: readonly Readonly<Record<string, string>>[]): void {
  for (const values of settings) {
    for (const [name, value] of Object.entries(values)) process.env[name] ??= value;
  }
}

/** `text` with every `%NAME%` replaced by that app setting; throws if there is none. */
export function resolveSettings(text: string): string {
  return text.replace(/%([^%]+)%/g, (reference, name: string) => {
    const value = process.env[name];
    if (value === undefined) throw new Error(`'${reference}' does not resolve to a value: there is no app setting ${name}`);
    return value;
  });
}
