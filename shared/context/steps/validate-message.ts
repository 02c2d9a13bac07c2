// The message fits the contract's schema. Only our own identity can send to a platform queue, so another shape is a bug, and says so.
import type { QueueExchange } from '../queue-exchange.ts';

export function validateMessage(exchange: QueueExchange): undefined {
  exchange.message = exchange.contract.message.parse(exchange.received);
}
