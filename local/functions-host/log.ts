// What the host and its functions log: one JSON object a line on standard output, filtered by host.json's `logging.logLevel`.
import type { LogLevel } from './core-module.ts';

const levels: readonly LogLevel[] = ['trace', 'debug', 'information', 'warning', 'error', 'critical', 'none'];

/** Where a line comes from, as it appears in the line. */
export interface LogSource {
  readonly function?: string;
  readonly invocationId?: string;
}

export class HostLog {
  readonly #rules: readonly (readonly [category: string, level: number])[];
  readonly #thresholds = new Map<string, number>();

  /** `logLevel` maps a category (`Function.name.User`), a dotted prefix of one or `default` to the lowest level written; else `information`. */
  constructor(logLevel: Readonly<Record<string, string>>) {
    this.#rules = Object.entries(logLevel)
      .map(([category, level]) => [category.toLowerCase(), levels.indexOf(level.toLowerCase() as LogLevel)] as const) // -1 is refused with host.json
      .sort(([a], [b]) => b.length - a.length);
  }

  write(level: LogLevel, category: string, message: string, source: LogSource = {}): void {
    if (level === 'none' || levels.indexOf(level) < this.#threshold(category)) return;
    process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, category, ...source, message })}\n`);
  }

  #threshold(category: string): number {
    let threshold = this.#thresholds.get(category);
    if (threshold === undefined) {
      const name = category.toLowerCase();
      const rule =
        this.#rules.find(([prefix]) => name === prefix || name.startsWith(`${prefix}.`)) ??
        this.#rules.find(([prefix]) => prefix === 'default');
      threshold = rule?.[1] ?? levels.indexOf('information');
      this.#thresholds.set(category, threshold);
    }
    return threshold;
  }
}
