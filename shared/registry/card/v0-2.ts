// A2A 0.2 to 1.0: as from 0.3, with interfaces that speak the version the card names, or 0.2.
import type * as z from 'zod';
import type { CardV02, CardV10 } from './schemas.ts';
import { upward } from './v0-3.ts';

export function fromV02(card: z.infer<typeof CardV02>): z.infer<typeof CardV10> {
  return upward(card, card.protocolVersion ?? '0.2.0');
}
