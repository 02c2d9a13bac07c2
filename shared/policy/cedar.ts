// The one Cedar engine of this process. Everything it does is synchronous; only its loading takes time (about 40 ms).
import { loadSdk } from '../config/load-sdk.ts';
import type { cedar } from './cedar-wasm.ts';

export type Cedar = typeof cedar;

let engine: Promise<Cedar> | undefined;

/** Loads the engine at its first use. */
export function loadCedar(): Promise<Cedar> {
  engine ??= loadSdk(() => import('./cedar-wasm.ts')).then((loaded) => loaded.cedar);
  return engine;
}
