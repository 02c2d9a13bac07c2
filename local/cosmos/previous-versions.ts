// What items were before their last change, for the fault `staleRead` only: under Strong consistency nobody ever reads it.
import type { Container } from './container.ts';
import type { PartitionKey } from './partition-key.ts';

const maxVersions = 512;
const maxLength = 16 * 1024;

/** Of the items changed last, at most 512 and none longer than 16 KB. */
export class PreviousVersions {
  readonly #versions = new Map<string, string | undefined>();

  /** @param body `undefined`: it did not exist. */
  remember(container: Container, partition: PartitionKey, id: string, body: string | undefined): void {
    const key = keyOfVersion(container, partition, id);
    this.#versions.delete(key);
    if (body !== undefined && body.length > maxLength) return;
    this.#versions.set(key, body);
    if (this.#versions.size > maxVersions) this.#versions.delete(this.#versions.keys().next().value ?? '');
  }

  /** `current` where no earlier version is known. */
  of(container: Container, partition: PartitionKey, id: string, current: string | undefined): string | undefined {
    const key = keyOfVersion(container, partition, id);
    return this.#versions.has(key) ? this.#versions.get(key) : current;
  }
}

function keyOfVersion(container: Container, partition: PartitionKey, id: string): string {
  return `${container.key}/${partition}/${id}`;
}
