// The endpoint of agents that are pushed to: idempotent by message id, and as unreliable as endpoints are.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Envelope } from '../../../shared/messaging/envelope.ts';

/** What becomes of a request: answered well, answered with a failure, or cut off; each of the last two with the effect done or not. */
type Mood = 'well' | 'failed-before' | 'failed-after' | 'cut-before' | 'cut-after';

export class Endpoint {
  readonly #server: Server;
  /** By agent, then by message id. */
  readonly #effects = new Map<string, Map<string, Envelope>>();
  #deliveries = 0;
  /** The part of requests that does not go well, 0–1. */
  trouble = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#take(request, response).catch(() => request.socket.destroy());
    });
  }

  /** The address of its own for an agent. */
  async open(): Promise<(agentId: string) => string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening on a port');
    return (agentId) => `http://127.0.0.1:${address.port}/${agentId}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** What took effect at an agent: each message once, however often it came. */
  effectsOf(agentId: string): ReadonlyMap<string, Envelope> {
    return this.#effects.get(agentId) ?? new Map();
  }

  get deliveries(): number {
    return this.#deliveries;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    // Verified by the test, which has the keys.
    const envelope = JSON.parse(Buffer.concat(chunks).toString()) as Envelope;
    const agentId = (request.url ?? '').slice(1);
    const mood = this.#mood();
    this.#deliveries++;
    if (!mood.endsWith('-before')) {
      const effects = this.#effects.get(agentId) ?? new Map<string, Envelope>();
      if (!effects.has(envelope.messageId)) effects.set(envelope.messageId, envelope);
      this.#effects.set(agentId, effects);
    }
    if (mood.startsWith('cut')) request.socket.destroy();
    else response.writeHead(mood === 'well' ? 204 : 503).end();
  }

  #mood(): Mood {
    const troubles: Mood[] = ['failed-before', 'failed-after', 'cut-before', 'cut-after'];
    return Math.random() < this.trouble ? (troubles[Math.floor(Math.random() * troubles.length)] ?? 'well') : 'well';
  }
}
