// One load from beginning to end: a fleet is made, it talks for so long, what is under way is given time to arrive, and what was seen is summed up.
import { setTimeout as wait } from 'node:timers/promises';
import type { LocalJson } from '../../local/start/local-json.ts';
import { Findings, type Summary } from './findings.ts';
import { type FleetOptions, listenForPushes, makeFleet } from './fleet.ts';
import { inTurn } from './in-turn.ts';
import { listen, step } from './traffic.ts';

export interface LoadOptions extends FleetOptions {
  /** Sending ends after so long, or after so many messages. */
  readonly seconds: number;
  readonly messages?: number;
  /** Requests under way at once. */
  readonly senders: number;
  /** Agents that listen at once; when there are more, they listen in turns until everything has arrived. */
  readonly listeners: number;
  /** What has not arrived so long after the last send is lost. */
  readonly patienceSeconds: number;
}

export async function runLoad(local: LocalJson, options: LoadOptions, tell: (line: string) => void = () => undefined): Promise<Summary> {
  let take: (house: number, agentId: string, body: unknown) => boolean = () => false;
  const pushes = await listenForPushes((house, agentId, body) => take(house, agentId, body));
  try {
    const begun = performance.now();
    const houses = await makeFleet(local, options, pushes.url);
    tell(`${options.agents} agents in ${options.tenants} tenants made in ${((performance.now() - begun) / 1_000).toFixed(0)} s`);
    const findings = new Findings();
    take = (house, agentId, body) => {
      const member = houses[house]?.members.find((each) => each.agentId === agentId);
      return member !== undefined && findings.arrived(member, body);
    };

    let sending = true;
    let deadline = Number.POSITIVE_INFINITY;
    const isOver = () => !sending && (findings.missing === 0 || performance.now() > deadline);
    const over = Promise.withResolvers<void>();
    const pulling = houses.flatMap(({ members }) => members.filter(({ delivery }) => delivery === 'pull'));
    const takesTurns = pulling.length > options.listeners;
    let waitedFor = takesTurns ? 0 : pulling.length;
    const stay = { over: over.promise, begun: () => void waitedFor-- };
    const listening = inTurn(options.listeners, takesTurns ? againAndAgain(pulling, isOver) : pulling.values(), (member) =>
      listen(member, findings, takesTurns ? undefined : stay),
    );
    // What goes wrong with it is thrown where it is waited for.
    listening.catch(() => undefined);
    while (waitedFor > 0) await Promise.race([listening, wait(50)]);
    tell(`${takesTurns ? options.listeners : pulling.length} listen at once`);
    findings.sendingBegins();

    const end = performance.now() + options.seconds * 1_000;
    let count = 0;
    // Each house has its turn, so all offer the same.
    await inTurn(
      options.senders,
      againAndAgain(houses, () => performance.now() >= end || count >= (options.messages ?? Number.POSITIVE_INFINITY)),
      (house) => step(houses, house, count++, findings),
    );
    sending = false;
    findings.sendingEnded();
    tell(`${count} sent`);
    deadline = performance.now() + options.patienceSeconds * 1_000;
    while (!isOver()) await wait(100);
    over.resolve();
    await listening;
    return findings.summary(houses);
  } finally {
    pushes.close();
  }
}

function* againAndAgain<Item>(items: readonly Item[], isOver: () => boolean): Generator<Item, undefined> {
  for (let at = 0; !isOver(); at = (at + 1) % items.length) {
    const item = items[at];
    if (item === undefined) return;
    yield item;
  }
}
