// A FlowGrid of two hosts that is broken in every way while messages pass through it, and what is read of the wreckage.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ServiceBusClient } from '@azure/service-bus';
import { administration } from '../../conformance/service-bus/target.ts';
import { dataFolder, type FlowGrid, kill, newTenant, startFlowGrid, type TestTenant, until } from '../../flowgrid.ts';
import { KeptRunning } from './kept-running.ts';

/** Something that breaks, for as long as it takes. */
export type Breakage = () => Promise<void>;

export class Breakable {
  readonly flowGrid: FlowGrid;
  readonly tenant: TestTenant;
  readonly folder: string;
  readonly #remove: () => void;
  readonly #running: KeptRunning[] = [];
  readonly #accepted: string;

  constructor(flowGrid: FlowGrid, tenant: TestTenant, folder: string, remove: () => void) {
    this.flowGrid = flowGrid;
    this.tenant = tenant;
    this.folder = folder;
    this.#remove = remove;
    this.#accepted = join(folder, 'accepted');
  }

  static async start(): Promise<Breakable> {
    const { path, remove } = dataFolder();
    const flowGrid = await startFlowGrid(path, '--ephemeral', '--hosts', '2');
    return new Breakable(flowGrid, await newTenant(flowGrid.local, { tier: 'enterprise' }), path, remove);
  }

  async end(): Promise<void> {
    await Promise.all(this.#running.map((each) => each.end(0)));
    await this.flowGrid.stop();
    this.#remove();
  }

  /** Starts a process that is started again whenever it ends. */
  keepRunning(name: 'reader' | 'writer', environment: (start: number) => Record<string, string>): KeptRunning {
    const kept = new KeptRunning(name, environment);
    this.#running.push(kept);
    return kept;
  }

  /** Writers at both hosts: what they saw accepted is what `accepted` answers. */
  startWriters(from: string, to: readonly string[]): KeptRunning[] {
    return this.flowGrid.local.hosts.map((api, at) =>
      this.keepRunning('writer', (start) => ({
        API: api,
        KEY: this.tenant.key,
        FROM: from,
        TO: to.join(' '),
        FIRST: String((start * 10 + at) * 1_000_000),
        ACCEPTED: this.#accepted,
      })),
    );
  }

  /** The message ids of everything accepted by number, as far as its sender lived to see it. */
  accepted(): Map<number, string> {
    let text = '';
    try {
      text = readFileSync(this.#accepted, 'utf8');
    } catch {
      // Nobody has written yet.
    }
    const lines = text.split('\n').slice(0, -1);
    return new Map(lines.map((line) => line.split(' ')).map(([number, messageId = '']) => [Number(number), messageId]));
  }

  /** Breaks one thing after another while messages go on being accepted, then heals and waits until there are so many. */
  async breakEverything(breakages: readonly Breakage[], leastAccepted: number): Promise<void> {
    await until('the first are accepted', async () => this.accepted().size > 0, 30_000);
    for (const breakage of breakages) {
      const before = this.accepted().size;
      await breakage();
      await until('messages are accepted again', async () => this.accepted().size > before + 50, 60_000);
    }
    await this.setFaults([]);
    await until(`${leastAccepted} are accepted`, async () => this.accepted().size >= leastAccepted, 60_000);
  }

  async setFaults(faults: object[]): Promise<void> {
    await fetch(this.flowGrid.local.faults, {
      method: 'PUT',
      body: JSON.stringify(faults),
      headers: { 'content-type': 'application/json' },
    });
  }

  /** The next key signs at once. */
  async rotateKeys(): Promise<void> {
    await this.tenant.owner.ask('POST', `/tenants/${this.tenant.id}/messaging/rotate`, { overlapSeconds: 0 });
  }

  /** `kill -9`; resolves once another is in its place. */
  async kill9(...names: readonly ('twin' | 'host-0' | 'host-1')[]): Promise<void> {
    const { pids } = this.flowGrid.local;
    for (const name of names) kill(pids[name] ?? 0);
    await until('there are others', async () => names.every((name) => this.flowGrid.local.pids[name] !== pids[name]), 30_000);
  }

  /** Messages that were locked by a process that was killed come back when their locks end; nobody waits a minute for that here. */
  async shortenLocks(queues: readonly string[]): Promise<void> {
    const admin = administration(this.flowGrid.local.serviceBus.adminConnectionString);
    for (const queue of queues) {
      // An agent is registered a little before its queue is there.
      await until(`${queue} is there`, () => admin.queueExists(queue));
      await admin.updateQueue({ ...(await admin.getQueue(queue)), lockDuration: 'PT3S' });
    }
  }

  /** Takes everything out of the tenant's dead letters. A message may be there twice. */
  async deadLetters(): Promise<{ messageId: string; reason: string }[]> {
    const client = new ServiceBusClient(this.flowGrid.local.serviceBus.connectionString);
    const receiver = client.createReceiver(`${this.tenant.id}-dlq`, { receiveMode: 'receiveAndDelete' });
    const found = [];
    for (;;) {
      const messages = await receiver.receiveMessages(100, { maxWaitTimeInMs: 500 });
      if (messages.length === 0) break;
      for (const message of messages) found.push({ messageId: String(message.messageId), reason: String(message.deadLetterReason) });
    }
    await client.close();
    return found;
  }
}
