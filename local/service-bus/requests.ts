// Request and reply over links: the nodes `$cbs` (tokens) and `{entity}/$management` (what the wire protocol's own verbs cannot say).
import type { EventContext, Receiver, Sender } from 'rhea';
import rhea from 'rhea';
import { type Claims, parseToken, Refusal, resourcePath } from './access.ts';
import { AmqpError, notFound, notModelled, presettle, settle } from './amqp.ts';
import type { Broker, Client } from './broker.ts';
import { ingest } from './message.ts';
import type { Settlement } from './messages.ts';
import type { Place } from './queues.ts';
import type { Right } from './settings.ts';

/** What a node works with, on one connection. */
export interface NodeContext {
  readonly broker: Broker;
  readonly client: Client;
  readonly replies: Replies;
}

/** An AMQP map as rhea decodes it. */
type Fields = Readonly<Record<string, unknown>>;
interface Request {
  readonly properties: Fields;
  readonly body: unknown;
}
interface Answer {
  readonly status: number;
  readonly body?: Fields;
}
const ok = (body: Fields = {}): Answer => ({ status: 200, body });

// The SDK's own table (core-amqp, ConditionStatusMapper).
const statuses: Readonly<Record<string, number>> = {
  'com.microsoft:argument-error': 400,
  'amqp:decode-error': 400,
  'amqp:not-allowed': 400,
  'com.microsoft:entity-disabled': 400,
  'amqp:unauthorized-access': 401,
  'amqp:resource-limit-exceeded': 403,
  'amqp:link:message-size-exceeded': 403,
  'amqp:not-found': 404,
  'com.microsoft:message-not-found': 404,
  'com.microsoft:message-lock-lost': 410,
  'amqp:not-implemented': 501,
  'com.microsoft:server-busy': 503,
};

/** The links replies go out on, by the address requests name in `reply-to`. */
export class Replies {
  readonly #links = new Map<string, Sender>();

  add(link: Sender): void {
    presettle(link);
    for (const address of [link.name, link.target?.address]) if (address) this.#links.set(address, link);
  }

  remove(link: Sender | Receiver): void {
    for (const address of [link.name, link.target?.address]) if (address && this.#links.get(address) === link) this.#links.delete(address);
  }

  send(to: string | undefined, message: Parameters<Sender['send']>[0]): void {
    const link = this.#links.get(to ?? '');
    if (link?.sendable()) link.send(message);
    else link?.close(new AmqpError('amqp:link:transfer-limit-exceeded', 'There is no credit for a reply.').fields);
  }
}

/** Answers every request that comes on `link`; the names of the reply's properties differ by node. */
function serve(
  link: Receiver,
  replies: Replies,
  names: readonly [string, string, string],
  answer: (request: Request) => Promise<Answer>,
): void {
  const [status, description, condition] = names;
  link.add_credit(100);
  link.on('message', ({ message: raw, delivery }: EventContext) => {
    if (!delivery) return;
    // Undecoded by `tap`; `answer` is async, so what decoding throws is an answer too.
    const bytes = raw as unknown as Buffer;
    let request: Fields = {};
    const reply = (code: number, text: string, more?: Fields, body?: Fields) => {
      const properties = { [status]: rhea.types.wrap_int(code), [description]: text, ...more };
      const message = { correlation_id: request['message_id'], application_properties: properties, body };
      // A message as rhea takes it, which its typings narrow to one that has methods.
      replies.send(request['reply_to'] as string | undefined, message as unknown as Parameters<Sender['send']>[0]);
    };
    settle(delivery);
    const answered = async () => {
      request = rhea.message.decode(bytes);
      return answer({ properties: fields(request['application_properties'] ?? {}), body: request['body'] });
    };
    answered()
      .then(
        ({ status: code, body }) => reply(code, code === 202 ? 'Accepted' : 'OK', {}, body),
        (thrown: unknown) => {
          const error = AmqpError.from(thrown);
          reply(statuses[error.condition] ?? 500, error.message, { [condition]: error.condition });
        },
      )
      .finally(() => link.add_credit(1));
  });
}

/** `$cbs`: a token put here is verified at once, and kept for the connection. */
export function serveTokens(link: Receiver, { broker, client, replies }: NodeContext, claims: Claims): void {
  serve(link, replies, ['status-code', 'status-description', 'error-condition'], async ({ properties, body }) => {
    const audience = String(properties['name'] ?? '');
    const path = resourcePath(audience);
    return broker.play(client, `put-token ${path}`, () => {
      if (properties['operation'] !== 'put-token') throw notModelled(`the operation ${properties['operation']} of $cbs`);
      if (properties['type'] !== 'servicebus.windows.net:sastoken') throw notModelled(`tokens of type ${properties['type']}`);
      try {
        claims.put(path, parseToken(String(body)));
      } catch (error) {
        throw error instanceof Refusal ? new AmqpError('amqp:unauthorized-access', error.message) : error;
      }
      broker.admit(client);
      // Only who may look is told that there is nothing.
      if (path !== '' && !broker.queues.resolve(path)) throw notFound(audience);
      client.recheck(path);
      return { status: 202 };
    });
  });
}

/** `{entity}/$management`. `demand` gives the place, and throws when the connection may not do what needs a right. */
export function serveManagement(link: Receiver, { broker, client, replies }: NodeContext, demand: (wanted: Right) => Place): void {
  const { messages } = broker;
  const act = (verb: string, right: Right, work: (place: Place) => Promise<Answer>, locks: readonly Buffer[] = []) => {
    const place = demand(right);
    const lose = async () => void (await Promise.all(locks.map((token) => messages.loseLock(place, token))));
    return broker.play(client, `${verb} ${place.queue.name}`, () => work(place), locks.length > 0 ? lose : undefined);
  };
  const operations: Readonly<Record<string, (body: Fields) => Promise<Answer>>> = {
    'com.microsoft:peek-message': (body) =>
      act('peek', 'Listen', async (place) => {
        const found = await messages.peek(place, number(body['from-sequence-number']), Math.min(number(body['message-count']), 250));
        return found.length === 0 ? { status: 204 } : ok({ messages: found.map((message) => ({ message })) });
      }),
    'com.microsoft:renew-lock': (body) => {
      const tokens = list(body['lock-tokens']).map(binary);
      const renew = async (place: Place) => {
        const until = await messages.renew(place, tokens);
        return ok({ expirations: array(0x83, Array(tokens.length).fill(until)) });
      };
      return act('renew', 'Listen', renew, tokens);
    },
    'com.microsoft:update-disposition': (body) => {
      const tokens = list(body['lock-tokens']).map(binary);
      const how = settlement(body);
      const settleAll = async (place: Place) => {
        await Promise.all(tokens.map((token) => messages.settle(place, token, how)));
        return ok();
      };
      return act(how.verb, 'Listen', settleAll, tokens);
    },
    'com.microsoft:receive-by-sequence-number': (body) =>
      act('receive', 'Listen', async (place) => {
        const sequences = list(body['sequence-numbers']).map(number);
        const given = await messages.deferred(place, sequences, number(body['receiver-settle-mode']) === 1);
        return ok({
          messages: given.map(({ bytes, token }) => ({ message: bytes, ...(token && { 'lock-token': rhea.types.wrap_uuid(token) }) })),
        });
      }),
    'com.microsoft:schedule-message': (body) =>
      act('schedule', 'Send', async ({ queue }) => {
        const incoming = list(body['messages']).map((entry) => ingest(binary(fields(entry)['message']), broker.limits.messageBytes));
        return ok({ 'sequence-numbers': array(0x81, await messages.enqueue(queue, incoming)) });
      }),
    'com.microsoft:cancel-scheduled-message': (body) =>
      act('cancel', 'Send', async ({ queue }) => {
        await messages.cancel(queue.main, list(body['sequence-numbers']).map(number));
        return ok();
      }),
  };
  serve(link, replies, ['statusCode', 'statusDescription', 'errorCondition'], async ({ properties, body }) => {
    const name = String(properties['operation']);
    const run = Object.hasOwn(operations, name) ? operations[name] : undefined;
    if (!run) throw notModelled(`the management operation ${name}`);
    return run(fields(body));
  });
}

const verbs: Readonly<Record<string, Settlement['verb']>> = {
  completed: 'complete',
  abandoned: 'abandon',
  defered: 'defer',
  suspended: 'deadletter',
};

function settlement(body: Fields): Settlement {
  const verb = verbs[String(body['disposition-status'])];
  if (!verb) throw notModelled(`the disposition ${body['disposition-status']}`);
  const text = (name: string) => (body[name] === undefined ? undefined : String(body[name]));
  const properties = fields(body['properties-to-modify'] ?? {});
  return { verb, properties, reason: text('deadletter-reason'), description: text('deadletter-description') };
}

const array = (type: number, values: readonly number[]) => rhea.types.wrap_array(values, type, undefined);

const without = (what: string) => new AmqpError('com.microsoft:argument-error', `The request has no ${what} where one is needed.`);

function fields(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw without('map');
  return value as Fields;
}
function list(value: unknown): unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw without('list');
  return value;
}
function binary(value: unknown): Buffer {
  if (!Buffer.isBuffer(value)) throw without('binary value');
  return value;
}
function number(value: unknown): number {
  if (typeof value !== 'number') throw without('number');
  return value;
}
