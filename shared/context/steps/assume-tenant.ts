// The platform becomes the tenant the message names; its ledger says why before anything is done.
import type { Services } from '../../compose.ts';
import type { QueueExchange } from '../queue-exchange.ts';

export async function assumeTenant(exchange: QueueExchange, { platform }: Services): Promise<undefined> {
  const { message, contract } = exchange;
  if (!message) throw new Error(`${contract.name} has no message`);
  exchange.scope = await platform.assume(message.tenantId, contract.reason);
}
