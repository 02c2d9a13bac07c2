// What a queue is set to: the fields of the service's QueueDescription with its rules and defaults (Standard tier).
import { randomBytes } from 'node:crypto';
import * as z from 'zod';

export const rights = ['Manage', 'Send', 'Listen'] as const;
export type Right = (typeof rights)[number];

/** No limit: the service's TimeSpan.MaxValue, in ms. */
export const FOREVER = 922_337_203_685_477;
const FOREVER_TEXT = 'P10675199DT2H48M5.4775807S';
const [DAY, HOUR, MINUTE] = [86_400_000, 3_600_000, 60_000];

/** An ISO 8601 duration of days, hours, minutes and seconds, in ms; NaN when it is none. */
export function parseDuration(text: string): number {
  if (text === FOREVER_TEXT) return FOREVER;
  const match = /^P(?=.)(?:(\d{1,8})D)?(?:T(?=.)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,7})?)S)?)?$/.exec(text);
  const [days, hours, minutes, seconds] = (match ?? []).slice(1).map((part) => Number(part ?? 0));
  return Math.floor((days ?? Number.NaN) * DAY + (hours ?? 0) * HOUR + (minutes ?? 0) * MINUTE + (seconds ?? 0) * 1_000);
}

export function formatDuration(ms: number): string {
  if (ms >= FOREVER) return FOREVER_TEXT;
  const part = (value: number, unit: string) => (value > 0 ? `${value}${unit}` : '');
  const time = `${part(Math.floor((ms % DAY) / HOUR), 'H')}${part(Math.floor((ms % HOUR) / MINUTE), 'M')}${part((ms % MINUTE) / 1_000, 'S')}`;
  return `P${part(Math.floor(ms / DAY), 'D')}${time && `T${time}`}`;
}

const duration = (least: number, most: number, otherwise: string) =>
  z
    .string()
    .transform(parseDuration)
    .refine((ms) => ms >= least && ms <= most, `must be a duration from ${formatDuration(least)} to ${formatDuration(most)}`)
    .prefault(otherwise);
const boolean = (otherwise: 'true' | 'false') =>
  z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .prefault(otherwise);

const key = z
  .string()
  .min(1)
  .max(256)
  .default(() => randomBytes(32).toString('base64'));
const Rule = z
  .strictObject({
    claimType: z.literal('SharedAccessKey').optional(),
    claimValue: z.literal('None').optional(),
    keyName: z.string().regex(/^[\w.-]{1,256}$/),
    rights: z.array(z.enum(rights)).min(1),
    primaryKey: key,
    secondaryKey: key,
  })
  .refine(
    ({ rights: given }) => !given.includes('Manage') || rights.every((right) => given.includes(right)),
    'Manage goes with Send and Listen',
  );

/** A QueueDescription as the administration API gives it: every value a text. */
export const Settings = z.strictObject({
  lockDuration: duration(1_000, 300_000, 'PT1M'),
  maxSizeInMegabytes: z.enum(['1024', '2048', '3072', '4096', '5120']).transform(Number).prefault('1024'),
  defaultMessageTimeToLive: duration(1_000, FOREVER, FOREVER_TEXT),
  deadLetteringOnMessageExpiration: boolean('false'),
  maxDeliveryCount: z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(1).max(2_000)).prefault('10'),
  enableBatchedOperations: boolean('true'),
  authorizationRules: z
    .array(Rule)
    .max(12, 'a queue has at most 12 authorization rules')
    .refine((list) => new Set(list.map((rule) => rule.keyName)).size === list.length, 'two rules have the same name')
    .prefault([]),
  status: z.enum(['Active', 'Disabled', 'SendDisabled', 'ReceiveDisabled']).prefault('Active'),
  userMetadata: z.string().max(1_024).optional(),
  /** The name of a queue. */
  forwardDeadLetteredMessagesTo: z.string().min(1).optional(),
});
/** Durations in ms. */
export type Settings = z.output<typeof Settings>;

/** Fields that may be given only at the value that changes nothing, and what they would switch on. */
export const fixedSettings: Readonly<Record<string, readonly [value: string, what: string]>> = {
  requiresDuplicateDetection: ['false', 'duplicate detection'],
  duplicateDetectionHistoryTimeWindow: ['PT10M', 'duplicate detection'],
  requiresSession: ['false', 'sessions'],
  forwardTo: ['', 'forwarding all messages of a queue (ForwardTo)'],
  autoDeleteOnIdle: [FOREVER_TEXT, 'deletion on idle (AutoDeleteOnIdle)'],
  enablePartitioning: ['false', 'partitioned queues'],
  enableExpress: ['false', 'express queues'],
  entityAvailabilityStatus: ['Available', 'other availability'],
  maxMessageSizeInKilobytes: ['256', 'messages larger than the 256 KB of the Standard tier'],
};

/** ≤ 260 letters, digits, `.`, `-`, `_` and `/`, with a letter or digit at both ends. */
export function isQueueName(name: string): boolean {
  return name.length <= 260 && /^[a-z\d](?:[\w./-]*[a-z\d])?$/i.test(name) && !name.includes('//');
}
