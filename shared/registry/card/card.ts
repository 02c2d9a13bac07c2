// A2A agent cards at the door: which version a card is, whether it is whole, and the one shape we search in (modelled on 1.0).
import type * as z from 'zod';
import { toV02, toV03 } from './downward.ts';
import { CardV02, CardV03, CardV10 } from './schemas.ts';
import { fromV02, fromV03 } from './upward.ts';

export const cardVersions = ['0.2', '0.3', '1.0'] as const;
export type CardVersion = (typeof cardVersions)[number];

export type Card = CardV10;

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

/** A card that was read, in the words of a version: as it came where that is its own, else made from its 1.0 form. */
export function cardIn(version: CardVersion, { version: own, original, card }: ReadCard): Record<string, unknown> {
  if (version === own) return original;
  switch (version) {
    case '1.0':
      return card;
    case '0.3':
      return toV03(card);
    case '0.2':
      return toV02(card);
  }
}

/**
 * 1.0 has interfaces and no `url`; everything from 0.3 on names the protocol's version, what came before did not have to (protocols.md 1.2). A card in
 * the old shape that names a newer version says how its agent is to be talked to, not how the card is to be read.
 */
function versionOf(value: Record<string, unknown>): CardVersion {
  if ('supportedInterfaces' in value || !('url' in value)) return '1.0';
  return typeof value['protocolVersion'] !== 'string' || /^(0\.[0-2](\.|$)|$)/.test(value['protocolVersion']) ? '0.2' : '0.3';
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
