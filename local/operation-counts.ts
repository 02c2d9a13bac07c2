// How many operations the parts of the twin in this process were asked for: what shows that an idle FlowGrid is idle.

export interface CountedOperations {
  /** When the counting began: the start of the process. */
  readonly since: string;
  /** By service, then by verb: the method over HTTP, `send`, `receive`, `complete` and the like over AMQP. */
  readonly counts: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export class OperationCounts {
  readonly #since = new Date().toISOString();
  readonly #counts: Record<string, Record<string, number>> = {};

  add(service: string, verb: string): void {
    this.#counts[service] ??= {};
    const ofService = this.#counts[service];
    ofService[verb] = (ofService[verb] ?? 0) + 1;
  }

  get all(): CountedOperations {
    return { since: this.#since, counts: this.#counts };
  }
}
