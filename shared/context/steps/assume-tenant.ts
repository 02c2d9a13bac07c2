// The platform becomes the tenant the message names; a ledger says why before anything is done: the tenant's own, as long as it has one.
import type { Services } from '../../compose.ts';
import type { QueueExchange } from '../queue-exchange.ts';

export async function assumeTenant(exchange: QueueExchange, { platform, tenantRecords }: Services): Promise<undefined> {
  const { message, contract } = exchange;
  if (!message) throw new Error(`${contract.name} has no message`);
  if (contract.claims?.includes(message.kind ?? '')) return;
  const record = await tenantRecords.read(platform.observe(message.tenantId));
  const ending = !record || record.body.status === 'erasing';
  exchange.scope = ending
    ? await platform.assumeEnding(message.tenantId, contract.reason)
    : await platform.assume(message.tenantId, contract.reason);
}
