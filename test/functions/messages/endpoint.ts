// An endpoint of push agents: a server of the test's own that answers as it is told and keeps what it was sent.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { cardOf } from '../../flowgrid.ts';
import { Asker } from '../asker.ts';

export interface Received {
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

/** What it answers: a status, headers, and with `never` nothing at all but the end of the connection. */
export interface Told {
  readonly status?: number;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
  readonly never?: boolean;
}

export class Endpoint implements AsyncDisposable {
  readonly received: Received[] = [];
  /** By path; 204 for what it was not told of. */
  readonly told = new Map<string, Told>();
  readonly base: string;
  readonly #server;

  static async open(): Promise<Endpoint> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Endpoint(server);
  }

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('it listens at a port');
    this.base = `http://127.0.0.1:${address.port}`;
    server.on('request', async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part);
      const { url: path = '', method = '', headers } = request;
      this.received.push({ path, method, headers, body: JSON.parse(Buffer.concat(parts).toString()) });
      const { status = 204, headers: answered = {}, body, never } = this.told.get(path) ?? {};
      if (never) response.destroy();
      else response.writeHead(status, answered).end(body);
    });
  }

  /** What came to this path so far. */
  at(path: string): Received[] {
    return this.received.filter((each) => each.path === path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** Registers an agent with its own key; gives what opens its messages. */
export async function registerPush(
  owner: Asker,
  tenantId: string,
  agentId: string,
  registration: Record<string, unknown>,
): Promise<{ readonly asker: Asker; readonly keyId: string; readonly key: Buffer }> {
  const environment = await owner.post<Record<string, string>>(`/tenants/${tenantId}/agents/${agentId}/environment`);
  const asker = new Asker(owner.base, environment['FLOWGRID_API_TOKEN']);
  const { signing } = await asker.post<{ signing: { keyId: string; key: string } }>(`/api/registry/agents/${agentId}/register`, {
    card: cardOf(agentId),
    ttlSeconds: 600,
    delivery: 'push',
    ...registration,
  });
  return { asker, keyId: signing.keyId, key: Buffer.from(signing.key, 'base64url') };
}
