// A tenant's dead letters: listed with their reasons, sent once more, deleted.
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Bus } from '../bus/bus.ts';
import type { ReceivedMessage } from '../bus/queue-reader.ts';
import { iso, now } from '../clock/clock.ts';
import { DependencyError, Problem } from '../errors/problem.ts';
import type { Bearer } from '../identity/passport.ts';
import type { Cause, EventDraft } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Registry } from '../registry/registry.ts';
import { AgentId } from '../scope/ids.ts';
import type { TenantScope } from '../scope/scope.ts';
import type { ClaimChecks } from './claims.ts';
import { DeadLetterBox, type HeldLetter, isSame, type Letter, type Place, places } from './dead-letter-box.ts';
import { deliveriesOf, reasonOf } from './dead-letter-reason.ts';
import type { Doorbell } from './dispatch/doorbell.ts';
import { type Envelope, verifyEnvelope } from './envelope.ts';
import { sendMessage } from './send.ts';
import type { SigningKeys } from './signing-keys.ts';
import { deadLetterReasons, isUnverified } from './verdict.ts';

/** What is not an envelope has no sender, recipient or type; it is shown as far as it can be read. */
export const DeadLetter = z
  .object({
    messageId: z.string(),
    from: z.string().nullable(),
    to: z.string().nullable(),
    messageType: z.string().nullable(),
    reason: z.enum(deadLetterReasons),
    description: z.string(),
    /** Null where the broker has forgotten it. */
    deliveryCount: z.int().nullable(),
    deadLetteredAt: z.iso.datetime(),
  })
  .meta({ id: 'DeadLetter' });
export type DeadLetter = z.infer<typeof DeadLetter>;

/** Where a list goes on: behind this letter. */
export const Position = z.object({ place: z.enum(places), sequenceNumber: z.string().regex(/^\d{1,19}$/) });

interface Services {
  readonly bus: Bus;
  readonly doorbell: Doorbell;
  readonly registry: Registry;
  readonly signingKeys: SigningKeys;
  readonly claims: ClaimChecks;
  readonly ledger: Ledger;
}

/** Who replays, and what they may. */
export interface Replayer {
  readonly traceparent: string;
  /** Why the caller may not send this message, if so. */
  readonly refuse: (envelope: Envelope) => Promise<Problem | undefined>;
  readonly bearer: () => Promise<Bearer | undefined>;
}

const maxShown = 512;

export class DeadLetters {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /** Letters in the order in which they became dead, those that have lain longer than their time to live behind the others. */
  list(
    scope: TenantScope,
    limit: number,
    after?: z.infer<typeof Position>,
  ): Promise<{ items: DeadLetter[]; next?: { place: Place; sequenceNumber: string } }> {
    return this.#open(scope, async (box) => {
      const letters = await box.page(limit, after);
      const last = letters.length === limit ? letters.at(-1) : undefined;
      const items = letters.map(({ message }) => shown(message));
      return { items, ...(last && { next: { place: last.place, sequenceNumber: last.message.sequenceNumber } }) };
    });
  }

  /**
   * Sends a letter's message once more: to the same recipient, under a new id that is always the same for one letter, so that a call that was cut short and
   * is repeated sends what its recipient knows already.
   */
  replay(scope: TenantScope, cause: Cause, messageId: string, replayer: Replayer): Promise<{ messageId: string } | Problem> {
    return this.#open(scope, async (box) => {
      const letters = await box.find(messageId);
      if (letters.length === 0) return new Problem('not_found');
      const genuine = await this.#genuine(scope, letters);
      if (!genuine) return new Problem('not_replayable');
      const { letter, envelope } = genuine;
      const refused = await replayer.refuse(envelope);
      if (refused) return refused;

      const held = await box.hold(letter);
      if (held === 'gone') return new Problem('not_found');
      if (held === 'busy') return busy();
      const sent = await this.#send(scope, cause, replayer, envelope, held);
      if (sent instanceof Problem) return sent;
      for (const copy of letters.filter((each) => each !== letter && isSame(each.message, letter.message))) await discard(box, copy);
      await this.#record(scope, cause, { action: 'message.replayed', entity: { type: 'message', id: messageId }, new: sent });
      return sent;
    });
  }

  /** Deletes every letter of this id. */
  remove(scope: TenantScope, cause: Cause, messageId: string): Promise<Problem | undefined> {
    return this.#open(scope, async (box) => {
      const letters = await box.find(messageId);
      const [first] = letters;
      if (!first) return new Problem('not_found');
      const ends = [];
      for (const letter of letters) ends.push(await discard(box, letter));
      if (ends.includes('busy')) return busy();
      if (!ends.includes('removed')) return new Problem('not_found');
      const { reason } = reasonOf(first.message);
      await this.#record(scope, cause, { action: 'message.deleted', entity: { type: 'message', id: messageId }, old: { reason } });
      return undefined;
    });
  }

  async #open<T>(scope: TenantScope, work: (box: DeadLetterBox) => Promise<T>): Promise<T> {
    const box = new DeadLetterBox(this.#services.bus, scope);
    try {
      return await work(box);
    } finally {
      await box.close();
    }
  }

  /** The first whose signature holds, whatever its age: it was read too late, which is no fault of its sender. */
  async #genuine(scope: TenantScope, letters: readonly Letter[]): Promise<{ letter: Letter; envelope: Envelope } | undefined> {
    for (const letter of letters) {
      if (isUnverified(reasonOf(letter.message).reason)) continue;
      const { to = '', timestamp = '' } = Addressed.safeParse(letter.message.body).data ?? {};
      const keys = await this.#services.signingKeys.inForce(scope, to);
      const expectation = { tenantId: scope.tenantId, recipient: to, keys, now: Date.parse(timestamp) };
      const verified = verifyEnvelope(letter.message.body, expectation);
      if ('envelope' in verified) return { letter, envelope: verified.envelope };
    }
    return undefined;
  }

  async #send(
    scope: TenantScope,
    cause: Cause,
    { traceparent, bearer }: Replayer,
    envelope: Envelope,
    held: HeldLetter,
  ): Promise<{ messageId: string } | Problem> {
    const { to, agentId, messageId: of, messageType, payload, correlationId, expiresAt } = envelope;
    let sent: { messageId: string } | Problem | undefined;
    try {
      sent = await sendMessage(this.#services, scope, cause, traceparent, {
        to: to === 'orchestrator' ? to : AgentId.parse(to),
        from: AgentId.parse(agentId),
        mayReach: async () => true,
        bearer,
        messageType,
        payload,
        causationId: of,
        ...(correlationId !== undefined && { correlationId }),
        // A time that has passed was the first message's; what is sent now is meant to arrive.
        ...(expiresAt !== undefined && Date.parse(expiresAt) > now() && { expiresAt }),
        replay: { messageId: replayId(envelope), of },
      });
    } finally {
      if (!sent || sent instanceof Problem) await held.putBack().catch(() => undefined);
    }
    if (sent instanceof Problem) return sent;
    await held.remove();
    return { messageId: sent.messageId };
  }

  /** What it tells has happened: a ledger that cannot take the event now changes nothing about that, so it is offered once more behind the answer. */
  async #record(scope: TenantScope, cause: Cause, event: EventDraft): Promise<void> {
    const { ledger } = this.#services;
    await ledger.append(scope, cause, event).catch((error: unknown) => {
      if (!(error instanceof DependencyError)) throw error;
      ledger.follow(scope, cause, event);
    });
  }
}

const Addressed = z.object({ to: z.string(), timestamp: z.string() });
const Shown = z.object({ agentId: z.string(), to: z.string(), messageType: z.string() }).partial();

function shown(message: ReceivedMessage): DeadLetter {
  const { agentId = null, to = null, messageType = null } = Shown.safeParse(message.body).data ?? {};
  const { reason, description } = reasonOf(message);
  return {
    messageId: message.messageId,
    from: agentId,
    to,
    messageType,
    reason,
    description: description.slice(0, maxShown),
    deliveryCount: deliveriesOf(message),
    deadLetteredAt: iso(message.enqueuedAt),
  };
}

/** A UUID (RFC 9562, version 8) that only this very message gives: its signature covers all of it. */
function replayId({ messageId, signature }: Envelope): string {
  const hash = createHash('sha256').update(`replay|${messageId}|${signature}`).digest();
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x80, 6);
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8);
  return hash.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

async function discard(box: DeadLetterBox, letter: Letter): Promise<'removed' | 'busy' | 'gone'> {
  const held = await box.hold(letter);
  if (typeof held === 'string') return held;
  await held.remove();
  return 'removed';
}

function busy(): Problem {
  return new Problem('dead_letter_busy', { headers: { 'Retry-After': '5' } });
}
