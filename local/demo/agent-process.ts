// An agent in a process of its own, started from nothing but the environment that FlowGrid made for it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export interface AgentEvent {
  readonly event: string;
  readonly from?: string;
  readonly messageId?: string;
  readonly page?: string | null;
  readonly incident?: string;
}

const patienceMs = 15_000;

export class AgentProcess {
  readonly #process;
  readonly #events: AgentEvent[] = [];
  #told: () => void = () => undefined;

  /** `example` is one of agent/examples. */
  constructor(example: 'incident-agent' | 'knowledge-agent', environment: Record<string, string>) {
    const script = fileURLToPath(new URL(`../../agent/examples/${example}.ts`, import.meta.url));
    this.#process = spawn(process.execPath, [script], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      // The example prints one JSON object a line.
      this.#events.push(JSON.parse(line) as AgentEvent);
      this.#told();
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** The first event of this name, past or to come, of one incident if one is named. */
  async event(name: string, incident?: string): Promise<AgentEvent> {
    const deadline = new AbortController();
    const late = wait(patienceMs, 'late' as const, { signal: deadline.signal }).catch(() => 'late' as const);
    try {
      for (;;) {
        const found = this.#events.find((each) => each.event === name && (incident === undefined || each.incident === incident));
        if (found) return found;
        const next = new Promise<'told'>((resolve) => {
          this.#told = () => resolve('told');
        });
        if ((await Promise.race([next, late])) === 'late')
          throw new Error(`the agent's process did not say "${name}" within ${patienceMs / 1_000} s`);
      }
    } finally {
      deadline.abort();
    }
  }

  /** SIGTERM; answers the exit code. */
  async stop(): Promise<number | null> {
    if (this.#process.exitCode !== null) return this.#process.exitCode;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await ended;
    return this.#process.exitCode;
  }
}
