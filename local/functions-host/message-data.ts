// The trigger metadata of a Service Bus message: the keys, values and types the real extension gives (ServiceBusTriggerBindingStrategy, 5.x).
import type { ServiceBusReceivedMessage } from '@azure/service-bus';
import type { TypedData } from './core-module.ts';

/** The end of .NET's calendar, at which it holds a message that never expires. */
const lastTime = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * The metadata of one message. The real host keeps it in a dictionary that ignores case and then writes the top-level properties of a JSON
 * body over it: a body that says `{"messageId": …}` decides what the function sees as its message id.
 */
export function messageData(message: ServiceBusReceivedMessage, body: string): Record<string, TypedData> {
  const properties = message.applicationProperties ?? {};
  const expires = new Date(Math.min(message.expiresAtUtc?.getTime() ?? lastTime, lastTime));
  const enqueued = message.enqueuedTimeUtc ?? new Date(0);
  const data = new Map<string, [name: string, value: TypedData]>();
  const put = (name: string, value: TypedData | undefined) => {
    const key = name.toLowerCase();
    if (value) data.set(key, [data.get(key)?.[0] ?? name, value]);
  };
  put('DeliveryCount', json((message.deliveryCount ?? 0) + 1));
  put('DeadLetterSource', string(message.deadLetterSource));
  put('LockToken', string(message.lockToken));
  put('ExpiresAtUtc', json(expires.toISOString().slice(0, -1)));
  put('ExpiresAt', json(offset(expires)));
  put('EnqueuedTimeUtc', json(enqueued.toISOString().slice(0, -1)));
  put('EnqueuedTime', json(offset(enqueued)));
  put('MessageId', string(message.messageId));
  put('ContentType', string(message.contentType));
  put('ReplyTo', string(message.replyTo));
  put('SequenceNumber', message.sequenceNumber ? { json: message.sequenceNumber.toString() } : undefined);
  put('To', string(message.to));
  put('Subject', string(message.subject));
  put('Label', string(message.subject));
  put('CorrelationId', string(message.correlationId));
  put('ApplicationProperties', json(properties));
  put('UserProperties', json(properties));
  put('SessionId', string(message.sessionId));
  put('ReplyToSessionId', string(message.replyToSessionId));
  put('PartitionKey', string(message.partitionKey));
  for (const [name, value] of Object.entries(topLevel(body))) put(name, bodyProperty(value));
  return Object.fromEntries(data.values());
}

function topLevel(body: string): object {
  if (!/^\s*\{/.test(body)) return {};
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

/** Nulls and arrays are left out, scalars become .NET's text for them. */
function bodyProperty(value: unknown): TypedData | undefined {
  if (value === null || Array.isArray(value)) return undefined;
  if (typeof value === 'object') return json(value);
  return { string: typeof value === 'boolean' ? (value ? 'True' : 'False') : String(value) };
}

function string(value: unknown): TypedData | undefined {
  return value === undefined || value === null ? undefined : { string: String(value) };
}

function json(value: unknown): TypedData {
  return { json: JSON.stringify(value) };
}

function offset(at: Date): string {
  return at.toISOString().replace('Z', '+00:00');
}
