// Faults on request (api.md, The local start): what `PUT {faults}` sets, and how the HTTP parts of the twin play it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import * as z from 'zod';
import { OperationCounts } from './operation-counts.ts';

export const Fault = z.strictObject({
  service: z.enum(['cosmos', 'serviceBus', 'keyVault', 'blobs', 'upstream']),
  match: z.string().refine(isRegex, 'not a regular expression').optional(),
  rate: z.number().min(0).max(1),
  effect: z.enum(['429', '500', 'latency', 'drop', 'lockLost', 'staleRead']),
  ms: z.int().min(0).max(600_000).optional(),
});
export type Fault = z.infer<typeof Fault>;
export type FaultService = Fault['service'];

function isRegex(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}

/** The faults in force in this process. An operation is named `METHOD /path` for HTTP parts and `verb entity` (`send acme-agents`) for AMQP. */
export class Faults {
  /** Every operation that came by, whether a fault struck it or not. */
  readonly operations = new OperationCounts();
  #rules: { fault: Fault; match: RegExp }[] = [];

  get list(): Fault[] {
    return this.#rules.map((rule) => rule.fault);
  }

  set(faults: readonly Fault[]): void {
    this.#rules = faults.map((fault) => ({ fault, match: new RegExp(fault.match ?? '', 'i') }));
  }

  /** The first rule that strikes this operation, rolled anew at each call; `effects` limits it to those the caller can play here. */
  strike(service: FaultService, operation: string, effects?: readonly Fault['effect'][]): Fault | undefined {
    for (const { fault, match } of this.#rules) {
      if (fault.service !== service || (effects && !effects.includes(fault.effect))) continue;
      if (match.test(operation) && Math.random() < fault.rate) return fault;
    }
    return undefined;
  }
}

const overHttp = ['429', '500', 'latency', 'drop'] as const;

/**
 * Plays the HTTP faults around `handle`. `refuse` writes the service's own 429 or 500. A drop closes the socket before the work or, as
 * often, after it and before the answer: the caller cannot know whether its write happened, as in the cloud.
 */
export async function withHttpFaults(
  faults: Faults,
  service: FaultService,
  request: IncomingMessage,
  response: ServerResponse,
  refuse: (status: 429 | 500) => void,
  handle: () => Promise<void> | void,
): Promise<void> {
  faults.operations.add(service, request.method ?? '');
  const fault = faults.strike(service, `${request.method} ${request.url}`, overHttp);
  switch (fault?.effect) {
    case '429':
    case '500':
      request.resume();
      refuse(fault.effect === '429' ? 429 : 500);
      return;
    case 'drop':
      if (Math.random() < 0.5) {
        request.socket.destroy();
        return;
      }
      swallow(request, response);
      break;
    case 'latency':
      await wait(fault.ms ?? 1_000);
      break;
  }
  await handle();
}

/** Lets the handler work on, but its first byte closes the connection instead of being sent. */
function swallow(request: IncomingMessage, response: ServerResponse): void {
  response.write = () => {
    request.socket.destroy();
    return false;
  };
  response.end = () => {
    request.socket.destroy();
    return response;
  };
}
