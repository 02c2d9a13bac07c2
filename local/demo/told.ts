// How the demo tells its story: a line a step, what came of it behind, and the reason when something is not as told.

export class Told {
  #steps = 0;
  #current = '';
  readonly #startedAt = performance.now();

  say(text: string): void {
    process.stdout.write(`\n  ${text}\n\n`);
  }

  chapter(title: string): void {
    process.stdout.write(`\n  ${title}\n`);
  }

  /** Runs one step; what it answers is shown behind its title. */
  async step(title: string, work: () => Promise<string>): Promise<void> {
    this.#current = title;
    const result = await work();
    this.#steps += 1;
    process.stdout.write(`   \u2713 ${title.padEnd(58)} ${result}\n`);
  }

  end(): void {
    const seconds = ((performance.now() - this.#startedAt) / 1_000).toFixed(1);
    process.stdout.write(`\n  All ${this.#steps} steps as told, in ${seconds} s.\n\n`);
  }

  fail(error: unknown): void {
    process.stdout.write(`   \u2717 ${this.#current}\n\n     ${error instanceof Error ? error.message : error}\n\n`);
  }
}

/** Throws when what was told is not so. */
export function hold(isSo: boolean, text: string): asserts isSo {
  if (!isSo) throw new Error(text);
}
