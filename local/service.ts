import type { Faults } from './faults.ts';

/** What every part of the twin is started with. */
export interface ServiceOptions {
  /** The folder this part keeps its data in; it exists. */
  readonly folder: string;
  /** The loopback port to listen on; 0 takes any free one. */
  readonly port: number;
  /** `false` gives up power-cut safety for speed (`--ephemeral`); data still survives `kill -9`. */
  readonly durable: boolean;
  readonly faults: Faults;
}

/** A part of the twin that is listening on 127.0.0.1. */
export interface Service {
  readonly port: number;
  /** Stops listening, closes its connections and its files. Idempotent. */
  stop(): Promise<void>;
}
