// Request and reply over links: the nodes `$cbs` (tokens) and `{entity}/$management` (what the wire protocol's own verbs cannot say).
import type { EventContext, Receiver, Sender } from 'rhea';
import rhea from 'rhea';
import { type Claims, parseToken, Refusal, resourcePath } from './access.ts';
import { AmqpError, notFound, notModelled, presettle, settle } from './amqp.ts';
import type { Broker, Cuttable } from './broker.ts';
import { ingest } from './message.ts';
import type { Settlement } from './messages.ts';
import type { Node, Place } from './queues.ts';
import type { Right } from './settings.ts';

/** A decoded request; bodies are what rhea makes of AMQP maps. */
interface Request {
  readonly operation: unknown;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}
type Body = Readonly<Record<string, unknown>>;
interface Answer {
  readonly status: number;
  readonly body?: unknown;
}

// The SDK's own table (core-amqp, ConditionStatusMapper).
const statuses: Readonly<Record<string, number>> = {
  'amqp:not-found': 404,
  'com.microsoft:message-not-found': 404,
  'amqp:not-implemented': 501,
  'com.microsoft:message-lock-lost': 410,
  'com.microsoft:server-busy': 503,
  'com.microsoft:argument-error': 400,
  'amqp:decode-error': 400,
  'amqp:not-allowed': 400,
  'com.microsoft:entity-disabled': 400,
  'amqp:unauthorized-access': 401,
  'amqp:resource-limit-exceeded': 403,
  'amqp:link:message-size-exceeded': 403,
};

/** The links replies go out on, by the address requests name in `reply-to`. */
export class Replies {
  readonly #links = new Map<string, Sender>();

  add(link: Sender): void {
    presettle(link);
    for (const address of [link.name, link.target?.address]) if (address) this.#links.set(address, link);
  }

  remove(matches: (link: Sender) => boolean): void {
    for (const [address, link] of this.#links) if (matches(link)) this.#links.delete(address);
  }

  send(to: string | undefined, message: object): void {
    const link = this.#links.get(to ?? '');
    if (link?.sendable()) link.send(message as Parameters<Sender['send']>[0]);
    else link?.close(new AmqpError('amqp:link:transfer-limit-exceeded', 'No credit for a reply.').fields);
  }
}

/** Answers every request that comes on `link`, with the property names this kind of node uses. */
function serve(link: Receiver, replies: Replies, style: 'cbs' | 'management', answer: (request: Request) => Promise<Answer>): void {
  const [code, text, condition] =
    style === 'cbs' ? ['status-code', 'status-description', 'error-condition'] : ['statusCode', 'statusDescription', 'errorCondition'];
  link.add_credit(100);
  link.on('message', ({ message: raw, delivery }: EventContext) => {
    if (!delivery) return;
    let request: ReturnType<typeof rhea.message.decode>;
    try {
      // Undecoded by `tap`.
      request = rhea.message.decode(raw as unknown as Buffer);
    } catch {
      return settle(delivery, new AmqpError('amqp:decode-error', 'The request is not a well-formed AMQP message.'));
    }
    settle(delivery);
    const properties = request['application_properties'] ?? {};
    const reply = (status: number, description: string, more: object, body?: unknown) =>
      replies.send(request['reply_to'], {
        correlation_id: request['message_id'],
        application_properties: { [code]: rhea.types.wrap_int(status), [text]: description, ...more },
        body,
      });
    answer({ operation: properties['operation'], properties, body: request['body'] })
      .then(
        ({ status, body }) => reply(status, status === 202 ? 'Accepted' : 'OK', {}, body),
        (thrown: unknown) => {
          const error = AmqpError.from(thrown);
          reply(statuses[error.condition] ?? 500, error.message, { [condition]: error.condition });
        },
      )
      .finally(() => link.add_credit(1));
  });
}

/** `$cbs`: a token put here is verified at once and kept for the connection; `changed` is called when one was. */
export function serveTokens(
  broker: Broker,
  connection: Cuttable,
  link: Receiver,
  replies: Replies,
  claims: Claims,
  changed: () => void,
): void {
  serve(link, replies, 'cbs', ({ operation, properties, body }) => {
    const audience = String(properties['name'] ?? '');
    const path = resourcePath(audience);
    return broker.play(connection, `put-token ${path}`, () => {
      if (operation !== 'put-token') throw notModelled(`the operation ${String(operation)} of $cbs`);
      if (properties['type'] !== 'servicebus.windows.net:sastoken') throw notModelled(`tokens of type ${String(properties['type'])}`);
      try {
        claims.put(path, parseToken(String(body)));
      } catch (error) {
        throw error instanceof Refusal ? new AmqpError('amqp:unauthorized-access', error.message) : error;
      }
      // Only who may look is told that there is nothing.
      if (path !== '' && !broker.queues.resolve(path)) throw notFound(audience);
      changed();
      return { status: 202 };
    });
  });
}

const sequencesOf = (body: Body) => numbers(body['sequence-numbers']);
const settlements: Readonly<Record<string, Settlement['verb']>> = {
  completed: 'complete',
  abandoned: 'abandon',
  defered: 'defer',
  suspended: 'deadletter',
};

/** `{entity}/$management`. `demand` throws when the connection may not do what needs one of these rights. */
export function serveManagement(
  broker: Broker,
  connection: Cuttable,
  link: Receiver,
  replies: Replies,
  demand: (wanted: Right) => Node,
): void {
  const { messages } = broker;
  const operations: Readonly<Record<string, (body: Body) => Promise<Answer>>> = {
    'peek-message': (body) =>
      act('peek', 'Listen', async (place) => {
        const count = Math.min(number(body['message-count']), 250);
        const found = await messages.peek(place, Math.max(0, number(body['from-sequence-number'])), count);
        return found.length === 0 ? { status: 204 } : ok({ messages: found.map((message) => ({ message })) });
      }),
    'renew-lock': (body) => {
      const tokens = buffers(body['lock-tokens']);
      const lose = async () => void (await Promise.all(tokens.map((token) => messages.loseLock(demand('Listen').place, token))));
      const renew = async (place: Place) => {
        const until = await messages.renew(place, tokens);
        return ok({
          expirations: rhea.types.wrap_array(
            tokens.map(() => until),
            0x83,
            undefined,
          ),
        });
      };
      return act('renew', 'Listen', renew, lose);
    },
    'update-disposition': (body) => {
      const tokens = buffers(body['lock-tokens']);
      const how = settlement(body);
      const lose = async () => void (await Promise.all(tokens.map((token) => messages.loseLock(demand('Listen').place, token))));
      const settleAll = async (place: Place) => {
        await Promise.all(tokens.map((token) => messages.settle(place, token, how)));
        return ok();
      };
      return act(how.verb, 'Listen', settleAll, lose);
    },
    'receive-by-sequence-number': (body) =>
      act('receive', 'Listen', async (place) => {
        const given = await messages.deferred(place, sequencesOf(body), number(body['receiver-settle-mode']) === 1);
        return ok({
          messages: given.map(({ bytes, token }) => ({ message: bytes, ...(token && { 'lock-token': rhea.types.wrap_uuid(token) }) })),
        });
      }),
    'schedule-message': (body) =>
      act('schedule', 'Send', async ({ queue }) => {
        const incoming = list(body['messages']).map((entry) => ingest(buffer(map(entry)['message'])));
        if (incoming.some(({ size }) => size > broker.limits.messageBytes))
          throw new AmqpError('amqp:link:message-size-exceeded', 'A scheduled message is too large.');
        return ok({ 'sequence-numbers': rhea.types.wrap_array(await messages.enqueue(queue, incoming), 0x81, undefined) });
      }),
    'cancel-scheduled-message': (body) =>
      act('cancel', 'Send', async ({ queue }) => {
        await messages.cancel(queue.main, sequencesOf(body));
        return ok();
      }),
  };
  const act = (verb: string, right: Right, work: (place: Place) => Promise<Answer>, lose?: () => Promise<void>) => {
    const { queue, place } = demand(right);
    return broker.play(connection, `${verb} ${queue.name}`, () => work(place), lose);
  };
  serve(link, replies, 'management', async ({ operation, body }) => {
    const name = String(operation).replace(/^com\.microsoft:/, '');
    const run = Object.hasOwn(operations, name) ? operations[name] : undefined;
    if (!run) throw notModelled(`the management operation ${String(operation)}`);
    return run(map(body));
  });
}

const ok = (body?: unknown): Answer => ({ status: 200, body });

function settlement(body: Body): Settlement {
  const verb = settlements[String(body['disposition-status'])];
  if (!verb) throw notModelled(`the disposition ${String(body['disposition-status'])}`);
  const properties = body['properties-to-modify'] ? map(body['properties-to-modify']) : undefined;
  const text = (name: string) => (body[name] === undefined ? undefined : String(body[name]));
  return { verb, properties, reason: text('deadletter-reason'), description: text('deadletter-description') };
}

const wrong = (what: string) => new AmqpError('com.microsoft:argument-error', `The request has no ${what} where one is needed.`);

function map(value: unknown): Body {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('map');
  return value as Body;
}
function list(value: unknown): unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw wrong('list');
  return value;
}
function buffer(value: unknown): Buffer {
  if (!Buffer.isBuffer(value)) throw wrong('binary value');
  return value;
}
function number(value: unknown): number {
  if (typeof value !== 'number') throw wrong('number');
  return value;
}
const numbers = (value: unknown) => list(value).map(number);
const buffers = (value: unknown) => list(value).map(buffer);
