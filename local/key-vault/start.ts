// The Key Vault of the twin: secrets and keys by the service's REST API, on plain http. Its file is not encrypted: development only.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Database } from '../database.ts';
import { withHttpFaults } from '../faults.ts';
import { BodyTooLarge, bearerToken, readBody, sameSecret, sendJson, serveHttp } from '../http.ts';
import type { Service, ServiceOptions } from '../service.ts';
import { keyRoutes } from './keys.ts';
import { budgetOf, Limits } from './limits.ts';
import { schema } from './objects.ts';
import { badParameter, notModelled, Refusal, throttled } from './refusal.ts';
import type { Answer, Route } from './route.ts';
import { secretRoutes } from './secrets.ts';

export interface KeyVaultOptions extends ServiceOptions {
  /** The bearer token that every request must carry. */
  readonly token: string;
  /** Enforces the service's limits per 10 seconds; off unless given. */
  readonly limits?: boolean;
  /** What is deleted cannot be purged before its time; off unless given, as in a vault made without it. */
  readonly purgeProtection?: boolean;
}

const apiVersions = ['7.4', '7.5', '7.6', '2025-07-01', '2026-04-01'];
const parameters = ['api-version', 'maxresults', '$skiptoken', 'outContentType'];
const maxBodyBytes = 256 * 1024;
const challenge = 'Bearer authorization="https://login.invalid/00000000-0000-0000-0000-000000000000", resource="https://vault.azure.net"';

/**
 * Ids and links in answers are `https://{Host header}/…` although the server speaks http, because the SDK refuses any other: its clients
 * are made with an https address and an `httpClient` that sends a copy of each request over http. Who calls without the SDK rewrites the
 * same way.
 */
export async function startKeyVault(options: KeyVaultOptions): Promise<Service> {
  const database = new Database(join(options.folder, 'key-vault.db'), schema, options.durable);
  const purgeProtection = options.purgeProtection ?? false;
  const routes = [...secretRoutes(database, purgeProtection), ...keyRoutes(database, purgeProtection)];
  const limits = options.limits ? new Limits() : undefined;

  async function answer(request: IncomingMessage): Promise<Answer> {
    const token = bearerToken(request);
    if (token === undefined) throw unauthorized('AKV10000: Request is missing a Bearer or PoP token.');
    if (!sameSecret(token, options.token)) throw unauthorized('AKV10032: Invalid issuer. The token is not the one of this vault.');
    const method = request.method ?? '';
    const base = `https://${request.headers.host ?? '127.0.0.1'}`;
    const url = URL.parse(request.url ?? '/', 'http://127.0.0.1');
    if (!url) throw badParameter('The request URI is invalid.');
    const { pathname: path, searchParams: query } = url;
    const budget = budgetOf(method, path);
    limits?.spend(budget, 1);
    checkQuery(query);
    const { run, name, version } = findRoute(routes, method, path);
    if (name && !/^[0-9a-zA-Z-]{1,127}$/.test(name)) throw badParameter(`The request URI contains an invalid name: ${name}`);
    const body = parseJson(await readBody(request, maxBodyBytes));
    return run({ base, path, name, version, query, body, spend: (cost) => limits?.spend(budget, cost) });
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { status, body } = await answer(request);
      sendJson(response, status, body, headers());
    } catch (error) {
      refuse(response, asRefusal(error));
    }
  }

  return serveHttp(
    options.port,
    (request, response) =>
      withHttpFaults(
        options.faults,
        'keyVault',
        request,
        response,
        (status) => refuse(response, status === 429 ? throttled(1) : new Refusal(500, 'InternalServerError', 'Internal server error.')),
        () => handle(request, response),
      ),
    () => database.close(),
  );
}

function headers(): OutgoingHttpHeaders {
  return { 'cache-control': 'no-cache', 'x-ms-keyvault-region': 'local', 'x-ms-request-id': randomUUID() };
}

function refuse(response: ServerResponse, refusal: Refusal): void {
  const more = headers();
  if (refusal.status === 401) more['www-authenticate'] = challenge;
  if (refusal.retryAfter !== undefined) more['retry-after'] = String(refusal.retryAfter);
  sendJson(response, refusal.status, refusal.body, more);
}

function unauthorized(message: string): Refusal {
  return new Refusal(401, 'Unauthorized', message);
}

/** The refusal an error stands for. @throws whatever else it is */
function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof BodyTooLarge) return new Refusal(413, 'RequestEntityTooLarge', `The request is too large: ${error.message}.`);
  throw error;
}

function checkQuery(query: URLSearchParams): void {
  const version = query.get('api-version');
  if (!version) throw badParameter('api-version must be specified');
  if (!apiVersions.includes(version)) {
    const latest = `Consider using the latest supported version (${apiVersions.at(-1)}).`;
    throw badParameter(`The specified version (${version}) is not recognized. ${latest}`);
  }
  const unknown = [...query.keys()].find((parameter) => !parameters.includes(parameter));
  if (unknown !== undefined) throw notModelled(`Query parameter ${unknown}`);
}

function findRoute(routes: readonly Route[], method: string, path: string) {
  for (const [verb, pattern, run] of routes) {
    const match = verb === method ? pattern.exec(path) : null;
    if (match) return { run, name: match.groups?.['name'] ?? '', version: match.groups?.['version'] ?? '' };
  }
  throw notModelled(`${method} ${path}`);
}

function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch {
    throw badParameter('The request body is not valid JSON.');
  }
}
