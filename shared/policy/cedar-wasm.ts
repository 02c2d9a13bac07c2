// Cedar's engine is WebAssembly: 4 MB beside its package's code, or beside the chunk this becomes in the bundle (build.ts copies it there).
// Imported lazily, at the first policy that is written or asked.
import { existsSync, readFileSync } from 'node:fs';
import * as cedar from '@cedar-policy/cedar-wasm/web';

const file = 'cedar_wasm_bg.wasm';
const beside = new URL(file, import.meta.url);
const bytes = readFileSync(existsSync(beside) ? beside : new URL(file, import.meta.resolve('@cedar-policy/cedar-wasm/web')));
cedar.initSync({ module: bytes });

export { cedar };
