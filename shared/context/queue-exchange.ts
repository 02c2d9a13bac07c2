// One message of a platform queue on its way through the pipeline.
import type * as z from 'zod';
import type { Cause } from '../ledger/event.ts';
import type { TenantId } from '../scope/ids.ts';
import type { TenantScope } from '../scope/scope.ts';

export interface QueueContract {
  /** Function name. */
  readonly name: string;
  readonly queue: 'platform-provision' | 'platform-dispatch';
  readonly message: z.ZodType<{ tenantId: TenantId }>;
  /** Why the platform becomes the tenant, as its ledger will say. */
  readonly reason: string;
  /** Kinds of message that only claim a tenant: the platform does not become it for them. */
  readonly claims?: readonly string[];
}

export class QueueExchange {
  readonly contract: QueueContract;
  readonly received: unknown;
  readonly cause: Cause;
  /** It has come before and was not finished. */
  readonly again: boolean;
  message: { tenantId: TenantId; kind?: string } | undefined;
  #scope: TenantScope | undefined;

  constructor(contract: QueueContract, received: unknown, messageId: string, again: boolean) {
    this.contract = contract;
    this.received = received;
    this.again = again;
    this.cause = { actor: { type: 'system', id: contract.name, method: 'internal' }, requestId: messageId };
  }

  /** The tenant the message is about, known since `assumeTenant`. Throws for a message that only claims one. */
  get scope(): TenantScope {
    if (!this.#scope) throw new Error(`${this.contract.name} has no scope`);
    return this.#scope;
  }

  set scope(scope: TenantScope) {
    this.#scope = scope;
  }
}
