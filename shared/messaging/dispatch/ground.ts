// What markers and slots stand on: documents that change under their tags, a doorbell and a clock. The product's is Cosmos DB and Service Bus; the
// model test has one of its own, in which anything may come between any two calls.
import type { Stored } from '../../storage/documents.ts';
import type { PlatformKind } from '../../storage/platform-documents.ts';
import type { Call } from './call.ts';

export interface Ground {
  /** As this process knew it last. It may be another by now, so it is good for a change under its tag and for nothing else. */
  recall<Body>(kind: PlatformKind<Body>, name: string): Stored<Body> | undefined;
  read<Body>(kind: PlatformKind<Body>, name: string): Promise<Stored<Body> | undefined>;
  /** The tag it has now; undefined when the name is taken. */
  create<Body>(kind: PlatformKind<Body>, name: string, body: Body): Promise<string | undefined>;
  /** The tag it has now; undefined when it has changed or gone since it was read. */
  replace<Body>(kind: PlatformKind<Body>, stored: Stored<Body>, body: Body): Promise<string | undefined>;
  /** False when it has changed or gone since it was read. */
  removeUnchanged(kind: PlatformKind<unknown>, stored: Stored<unknown>): Promise<boolean>;
  /** Puts a call at the end of `platform-dispatch`, to be seen from `at` on (milliseconds). */
  ring(call: Call, at?: number): Promise<void>;
  /** Milliseconds since the epoch. */
  now(): number;
  newId(): string;
}
