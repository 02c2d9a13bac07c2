// Timer triggers: one run at a time a timer, the next one computed when a run is done, as the real listener does (TimerListener).
import { randomUUID } from 'node:crypto';
import type { RegisteredFunction } from './core-module.ts';
import { CronSchedule } from './cron.ts';
import type { Invoker } from './invoke.ts';
import { resolveSettings } from './settings.ts';
import type { Trigger } from './triggers.ts';

/** The longest a Node timer can wait. */
const longestWait = 2 ** 31 - 1;
const never = '0001-01-01T00:00:00+00:00';

export class TimerListener {
  readonly #called: RegisteredFunction;
  readonly #trigger: Trigger & { kind: 'timer' };
  readonly #invoker: Invoker;
  readonly #schedule: CronSchedule;
  /** Whether the function is told its schedule's status: not if it runs every few seconds. */
  readonly #monitored: boolean;
  #status: { Last: string; Next: string; LastUpdated: string };
  #next: number;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #running: Promise<void> | undefined;

  /** Throws for a schedule that cannot be read. */
  constructor(called: RegisteredFunction, trigger: Trigger & { kind: 'timer' }, invoker: Invoker) {
    this.#called = called;
    this.#trigger = trigger;
    this.#invoker = invoker;
    try {
      this.#schedule = new CronSchedule(resolveSettings(trigger.schedule));
      this.#next = this.#schedule.next(Date.now());
    } catch (error) {
      throw new Error(`Function "${called.metadata.name}": ${error instanceof Error ? error.message : error}.`);
    }
    this.#monitored = (trigger.useMonitor ?? true) && !this.#schedule.everyFewSeconds;
    this.#status = { Last: never, Next: stamp(this.#next), LastUpdated: never };
  }

  start(): void {
    if (this.#trigger.runOnStartup) this.#run(false);
    else this.#wait();
  }

  async drain(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  close(): void {}

  #wait(): void {
    if (this.#stopped) return;
    const left = this.#next - Date.now();
    this.#timer = setTimeout(() => (left > longestWait ? this.#wait() : this.#run(true)), Math.min(Math.max(left, 1), longestWait));
  }

  #run(scheduled: boolean): void {
    const id = randomUUID();
    const started = scheduled ? Math.max(Date.now(), this.#next) : Date.now();
    this.#running = this.#invoke(id)
      .catch((error: unknown) => this.#invoker.failed(this.#called.metadata.name, id, error))
      .then(() => {
        this.#running = undefined;
        this.#next = this.#schedule.next(started);
        this.#status = { Last: stamp(started), Next: stamp(this.#next), LastUpdated: stamp(started) };
        this.#wait();
      });
  }

  async #invoke(invocationId: string): Promise<void> {
    const { metadata } = this.#called;
    const info = { Schedule: { AdjustForDST: true }, ScheduleStatus: this.#monitored ? this.#status : null, IsPastDue: false };
    await this.#invoker.invoke(this.#called, {
      invocationId,
      functionId: metadata.functionId ?? metadata.name,
      inputData: [{ name: this.#trigger.name, data: { json: JSON.stringify(info) } }],
      triggerMetadata: {},
      traceContext: { traceParent: '', traceState: '' },
    });
  }
}

/** A time as .NET writes it in a host whose clock is UTC. */
function stamp(at: number): string {
  return new Date(at).toISOString().replace('Z', '+00:00');
}
