// An attack: a good request with something twisted, and what it must be answered.
import type { Row } from '../functions/operations.ts';
import type { Reason } from './samples.ts';
import type { World } from './world.ts';

export interface Asking {
  readonly key?: string | undefined;
  readonly json?: unknown;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** How a request is sent; tests send through a caller that checks the answer's form in passing. */
export type Ask = (method: string, path: string, asking: Asking) => Promise<Answer>;

/** What of the good request is another in this attempt; the rest is as the attacked tenant would send it. */
export interface Twist {
  readonly key?: string | undefined;
  /** The tenant in the path. */
  readonly tenant?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly method?: string;
}

/** `expected` are the answers that are right, as `status code`. */
export interface Attack {
  readonly expected: readonly string[];
  readonly attempts: readonly Twist[];
}

export type Cell = Reason | Attack;
export type Column = (row: Row, world: World) => Promise<Cell> | Cell;

export const nameOf = ({ method, path }: Row): string => `${method} ${path}`;

export function codeOf({ body }: Pick<Answer, 'body'>): string | undefined {
  return typeof body === 'object' && body !== null && 'code' in body ? String(body.code) : undefined;
}
