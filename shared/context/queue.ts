// The queue door: makes a handler of a platform queue's messages a function of the host, behind the pipeline.
import { app, type InvocationContext } from '@azure/functions';
import type * as z from 'zod';
import { type Services, theServices } from '../compose.ts';
import type { Cause } from '../ledger/event.ts';
import type { TenantId } from '../scope/ids.ts';
import type { CandidateScope, TenantScope } from '../scope/scope.ts';
import { log } from '../telemetry/log.ts';
import './lifecycle.ts';
import { passQueue } from './pipeline.ts';
import { type QueueContract, QueueExchange } from './queue-exchange.ts';

/** The name of the connection setting that the host binds triggers with. */
const connection = 'FLOWGRID_SERVICEBUS';

/** What throws comes again, and lands in the dead letters after the queue's maximum delivery count. */
export function queue<Message extends { tenantId: TenantId }>(
  contract: QueueContract & {
    readonly message: z.ZodType<Message>;
    readonly handle: (
      call: {
        /** Throws for a message of a kind that only claims a tenant. */
        readonly scope: TenantScope;
        readonly candidate: CandidateScope;
        readonly message: Message;
        readonly cause: Cause;
        readonly again: boolean;
      },
      services: Services,
    ) => Promise<void>;
  },
): void {
  const mine = process.env['FLOWGRID_ROLE'] ?? 'all';
  if (mine !== 'all' && mine !== (contract.queue === 'platform-provision' ? 'provision' : 'api')) return;
  const handler = async (received: unknown, context: InvocationContext): Promise<void> => {
    const services = theServices();
    const { messageId, deliveryCount } = context.triggerMetadata ?? {};
    const exchange = new QueueExchange(contract, received, String(messageId ?? context.invocationId), Number(deliveryCount ?? 1) > 1);
    try {
      const problem = await passQueue(exchange, services);
      if (problem) throw new Error(problem.code);
      const { message, cause, again } = exchange;
      if (!message) throw new Error(`${contract.name} has no message`);
      const call = {
        get scope() {
          return exchange.scope;
        },
        candidate: services.platform.observe(message.tenantId),
        // `validateMessage` has parsed it with this very contract's schema.
        message: message as Message,
        cause,
        again,
      };
      await contract.handle(call, services);
    } catch (error) {
      const tenantId = exchange.message?.tenantId ?? 'platform';
      log.warn('a message was not handled', tenantId, {
        function: contract.name,
        requestId: exchange.cause.requestId,
        error: error instanceof Error ? error.name : typeof error,
      });
      throw error;
    }
  };
  app.serviceBusQueue(contract.name, { connection, queueName: contract.queue, handler });
}
