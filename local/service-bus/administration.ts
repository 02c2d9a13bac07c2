// The administration API over HTTP (ATOM, version 2021-05): queues are made, read, listed, changed and deleted here.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Faults, withHttpFaults } from '../faults.ts';
import type { Service } from '../service.ts';
import { parseToken, Refusal } from './access.ts';
import type { Broker } from './broker.ts';
import { AdministrationError, feed, namespaceEntry, notModelled, queueEntry, readDescription } from './description.ts';
import type { Queue } from './queues.ts';
import { isQueueName, type Settings } from './settings.ts';

// The service has no 429.
const throttled = () => new AdministrationError(503, 'The request was terminated because the namespace is being throttled.', 50004);

const MOST_BODY = 262_144;
const PAGE = 100;

interface Reply {
  readonly status: number;
  readonly body?: string;
}

/** Serves the administration of `broker` on 127.0.0.1. */
export async function startAdministration(broker: Broker, port: number, faults: Faults): Promise<Service> {
  const started = Date.now();
  const server = createServer((request, response) => {
    const refuse = (status: 429 | 500) =>
      send(response, failure(status === 429 ? throttled() : new AdministrationError(500, 'Internal Server Error.')));
    const answer = async () => send(response, await handle(broker, request, started).catch(failure));
    withHttpFaults(faults, 'serviceBus', request, response, refuse, answer).catch(() => request.socket.destroy());
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the administration listens on no port');
  return {
    port: address.port,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function handle(broker: Broker, request: IncomingMessage, started: number): Promise<Reply> {
  const base = `http://${request.headers.host ?? '127.0.0.1'}`;
  const url = new URL(request.url ?? '/', base);
  const name = decodeURIComponent(url.pathname).slice(1);
  const path = name.toLowerCase();
  authorize(broker, request.headers.authorization, path);
  if (path === '$namespaceinfo' && request.method === 'GET') return { status: 200, body: namespaceEntry(base, 'local', started) };
  if (path === '$resources/queues' && request.method === 'GET') return { status: 200, body: await list(broker, base, url) };
  if (path.startsWith('$') || /\/(subscriptions|rules|messages)(\/|$)/.test(path)) throw notModelled(`/${name}, only queues`);
  const queue = broker.queues.get(path);
  switch (request.method) {
    case 'GET':
      return { status: 200, body: queue ? await read(broker, base, queue) : feed(url.href, []) };
    case 'PUT': {
      const body = await text(request);
      const stored =
        request.headers['if-match'] === '*' ? await update(broker, request, name, body) : await create(broker, request, name, body);
      return { status: queue ? 200 : 201, body: await read(broker, base, stored) };
    }
    case 'DELETE':
      if (!queue) throw new AdministrationError(404, `Not Found. The queue '${name}' does not exist.`);
      await broker.queues.delete(queue);
      broker.recheck(queue);
      return { status: 200 };
    default:
      throw new AdministrationError(405, `Method Not Allowed. ${request.method} is not a method of a queue.`);
  }
}

/** @throws AdministrationError 401 unless the token in `header` gives Manage on the path */
function authorize(broker: Broker, header: string | string[] | undefined, path: string): void {
  try {
    if (typeof header !== 'string') throw new Refusal('MissingToken: The request has no shared access signature.');
    if (broker.guard.rightsOf(parseToken(header), path).includes('Manage')) return;
  } catch (error) {
    if (error instanceof Refusal) throw new AdministrationError(401, error.message, 40103);
    throw error;
  }
  throw new AdministrationError(401, 'Unauthorized. Manage claim(s) are required to perform this operation.', 40100);
}

async function create(broker: Broker, request: IncomingMessage, name: string, body: string): Promise<Queue> {
  if (!isQueueName(name)) throw new AdministrationError(400, `Bad Request. '${name}' is not a valid queue name.`);
  if (broker.queues.get(name)) throw new AdministrationError(409, `Conflict. The queue '${name}' exists already.`);
  const settings = settingsFor(broker, request, name, body);
  if (broker.queues.count >= broker.limits.entities) {
    throw new AdministrationError(
      403,
      `The maximum number of resources of type 'Queue' has been reached or exceeded: ${broker.limits.entities}.`,
    );
  }
  return broker.queues.create(name, settings);
}

async function update(broker: Broker, request: IncomingMessage, name: string, body: string): Promise<Queue> {
  const queue = broker.queues.get(name);
  if (!queue) throw new AdministrationError(404, `Not Found. The queue '${name}' does not exist.`);
  await broker.queues.update(queue, settingsFor(broker, request, name, body));
  broker.recheck(queue);
  return queue;
}

/** What a PUT asks for. Forwarding needs a destination that is there, and Manage on it by a token of its own. */
function settingsFor(broker: Broker, request: IncomingMessage, name: string, body: string): Settings {
  const settings = readDescription(body);
  const target = settings.forwardDeadLetteredMessagesTo;
  if (target === undefined) return settings;
  authorize(broker, request.headers['servicebusdlqsupplementaryauthorization'], target.toLowerCase());
  const destination = broker.queues.get(target);
  if (!destination)
    throw new AdministrationError(400, `Bad Request. The destination '${target}' of ForwardDeadLetteredMessagesTo does not exist.`);
  if (destination.name.toLowerCase() === name.toLowerCase())
    throw new AdministrationError(400, 'Bad Request. A queue cannot forward to itself.');
  return { ...settings, forwardDeadLetteredMessagesTo: destination.name };
}

async function list(broker: Broker, base: string, url: URL): Promise<string> {
  const parameter = (name: string, otherwise: number) => {
    const given = url.searchParams.get(name) ?? String(otherwise);
    if (!/^\d{1,9}$/.test(given)) throw new AdministrationError(400, `Bad Request. ${name} is not a number.`);
    return Number(given);
  };
  const skip = parameter('$skip', 0);
  const top = Math.min(parameter('$top', PAGE), PAGE);
  const page = broker.queues.page(skip, top + 1);
  const next = new URL(url);
  next.searchParams.set('$skip', String(skip + top));
  next.searchParams.set('$top', String(top));
  const entries = await Promise.all(page.slice(0, top).map((queue) => read(broker, base, queue)));
  return feed(url.href, entries, page.length > top ? next.href : undefined);
}

async function read(broker: Broker, base: string, queue: Queue): Promise<string> {
  return queueEntry(base, queue, await broker.messages.counts(queue));
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BODY) throw new AdministrationError(413, `Request Entity Too Large. A description has at most ${MOST_BODY} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function failure(error: unknown): Reply {
  if (!(error instanceof AdministrationError)) console.error('service-bus: administration failed', error);
  const known = error instanceof AdministrationError ? error : new AdministrationError(500, 'Internal Server Error.');
  return { status: known.status, body: known.xml };
}

function send(response: ServerResponse, { status, body = '' }: Reply): void {
  response.writeHead(status, { 'content-type': 'application/atom+xml;charset=utf-8' }).end(body);
}
