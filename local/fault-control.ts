// The address where faults are set (api.md, The local start), and how the parts of the twin in other processes follow: by a file.
import { readFileSync, watch } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import * as z from 'zod';
import { Fault, type Faults } from './faults.ts';
import { BodyTooLarge, readBody, sendJson, serveHttp } from './http.ts';
import type { Service } from './service.ts';

const fileName = 'faults.json';
const maxBodyBytes = 64 * 1024;
const FaultList = z.array(Fault).max(100);

export interface FaultControlOptions {
  /** The faults of this process; they change with every PUT and DELETE. */
  readonly faults: Faults;
  readonly port: number;
  /** The data folder, shared by all processes of one twin. */
  readonly folder: string;
  /** Whether this process keeps `{folder}/faults.json`, which the others follow; it is removed at start and at stop. */
  readonly owner: boolean;
}

/**
 * `http://127.0.0.1:{port}/faults`: GET shows the list, PUT replaces it (400 and nothing changed when it is not one), DELETE clears it.
 * `/counts` beside it: GET shows how many operations the parts in this process were asked for (CountedOperations).
 */
export async function startFaultControl(options: FaultControlOptions): Promise<Service> {
  const { faults, owner } = options;
  const file = join(options.folder, fileName);
  if (owner) await rm(file, { force: true });
  let writing = Promise.resolve();

  /** One at a time, so that the file ends as the last request left it. */
  function set(list: Fault[]): Promise<void> {
    const write = async () => {
      if (owner) {
        await writeFile(`${file}.new`, JSON.stringify(list));
        await rename(`${file}.new`, file);
      }
      faults.set(list);
    };
    const written = writing.then(write);
    writing = written.catch(() => {});
    return written;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/counts') return count(request, response);
    if (request.url !== '/faults') return problem(response, 404, 'not_found', `${request.url} is neither /faults nor /counts`);
    switch (request.method) {
      case 'GET':
        return sendJson(response, 200, faults.list);
      case 'PUT': {
        const list = await readList(request);
        if (typeof list === 'string') return problem(response, 400, 'validation_failed', list);
        await set(list);
        return sendJson(response, 200, faults.list);
      }
      case 'DELETE':
        await set([]);
        return sendJson(response, 204, undefined);
      default:
        return problem(response, 405, 'method_not_allowed', 'GET, PUT and DELETE are allowed');
    }
  }

  function count(request: IncomingMessage, response: ServerResponse): void {
    if (request.method === 'GET') sendJson(response, 200, faults.operations.all);
    else problem(response, 405, 'method_not_allowed', 'GET is allowed');
  }

  return serveHttp(options.port, handle, async () => {
    await writing;
    if (owner) await rm(file, { force: true });
  });
}

/**
 * Takes over the faults that another process keeps in `folder`, now and at every change, until the returned function is called. Without the
 * file there are none.
 */
export function followFaults(folder: string, faults: Faults): () => void {
  const file = join(folder, fileName);
  const read = () => {
    try {
      faults.set(FaultList.parse(JSON.parse(readFileSync(file, 'utf8'))));
    } catch {
      faults.set([]);
    }
  };
  const watcher = watch(folder, { persistent: false }, (_, changed) => {
    if (changed === fileName || changed === null) read();
  });
  read();
  return () => watcher.close();
}

/** The list of the body, or what is wrong with it. */
async function readList(request: IncomingMessage): Promise<Fault[] | string> {
  try {
    const list = FaultList.safeParse(JSON.parse((await readBody(request, maxBodyBytes)).toString()));
    return list.success ? list.data : z.prettifyError(list.error);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof BodyTooLarge) return error.message;
    throw error;
  }
}

/** RFC 9457. */
function problem(response: ServerResponse, status: number, code: string, detail: string): void {
  const body = { type: `/problems/${code}`, title: code.replaceAll('_', ' '), status, code, detail };
  sendJson(response, status, body, { 'content-type': 'application/problem+json' });
}
