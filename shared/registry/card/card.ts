// A2A agent cards at the door: which version a card is, whether it is whole, and the one shape we search in (modelled on 1.0).
import type * as z from 'zod';
import { CardV02, CardV03, CardV10 } from './schemas.ts';
import { fromV02 } from './v0-2.ts';
import { fromV03 } from './v0-3.ts';

export const cardVersions = ['0.2', '0.3', '1.0'] as const;
export type CardVersion = (typeof cardVersions)[number];

export type Card = z.infer<typeof CardV10>;

/** A card as it came, with its version and its 1.0 form. */
export interface ReadCard {
  readonly version: CardVersion;
  readonly original: Record<string, unknown>;
  readonly card: Card;
}

/** Reads a card of any version. The original keeps its unknown fields; the 1.0 form is what search and other versions are made from. */
export function readCard(value: Record<string, unknown>): ReadCard | { errors: z.core.$ZodIssue[] } {
  const version = versionOf(value);
  switch (version) {
    case '1.0':
      return readAs(CardV10, value, version, (card) => card);
    case '0.3':
      return readAs(CardV03, value, version, fromV03);
    case '0.2':
      return readAs(CardV02, value, version, fromV02);
  }
}

/** 1.0 has interfaces and no `url`; 0.3 names itself; everything before did not have to (protocols.md 1.2). */
function versionOf(value: Record<string, unknown>): CardVersion {
  if ('supportedInterfaces' in value || !('url' in value)) return '1.0';
  return typeof value['protocolVersion'] === 'string' && /^0\.3(\.|$)/.test(value['protocolVersion']) ? '0.3' : '0.2';
}

function readAs<S extends z.ZodType>(
  schema: S,
  value: Record<string, unknown>,
  version: CardVersion,
  translate: (card: z.infer<S>) => Card,
): ReadCard | { errors: z.core.$ZodIssue[] } {
  const parsed = schema.safeParse(value);
  return parsed.success ? { version, original: value, card: translate(parsed.data) } : { errors: parsed.error.issues };
}
