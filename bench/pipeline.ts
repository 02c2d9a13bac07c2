// What the tenant-context middleware costs: one POST through every step in this process, warm, beside what any handler must do with the same
// request (read the body, parse it, validate it). The twin is other processes; a warm call does not ask it anything.
import { HttpRequest, type HttpResponseInit } from '@azure/functions';
import * as z from 'zod';
import { FunctionApp, provideCoreModule } from '../local/functions-host/core-module.ts';
import { newTenant } from '../test/flowgrid.ts';
import type { Figure } from './figure.ts';
import { withFlowGrid } from './with-flowgrid.ts';

const [warmUp, calls, goalUs] = [5_000, 20_000, 150];

const Body = z.strictObject({ name: z.string().max(100), parameters: z.record(z.string(), z.unknown()) });
const body = JSON.stringify({ name: 'probe', parameters: { text: 'x'.repeat(400), list: [1, 2, 3] } });

export function bench(): Promise<Figure[]> {
  return withFlowGrid(async ({ local, settings }) => {
    const { key } = await newTenant(local);
    Object.assign(process.env, settings);
    const { handler, close } = await registerProbe();
    const request = () =>
      new HttpRequest({
        method: 'POST',
        url: 'http://127.0.0.1:7071/bench/probe',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-forwarded-for': '192.0.2.1' },
        body: { string: body },
      });
    const { status } = await handler(request());
    if (status !== 200) throw new Error(`the probe answered ${status}`);
    const value = await median(() => handler(request()));
    const floor = await median(async () => Body.parse(JSON.parse(await request().text())));
    await close();
    return [{ name: 'pipeline/warm', value, unit: 'µs (p50)', floor, ratio: value / floor, goal: goalUs, holds: value <= goalUs }];
  });
}

/** A function with everything that can be asked of a call, and nothing to do. */
async function registerProbe(): Promise<{ handler: (request: HttpRequest) => Promise<HttpResponseInit>; close: () => Promise<void> }> {
  const app = new FunctionApp();
  provideCoreModule(app, () => undefined);
  const { http } = await import('../shared/context/http.ts');
  const { theServices } = await import('../shared/compose.ts');
  http({
    name: 'bench-probe',
    route: 'POST /bench/probe',
    summary: 'A probe',
    scopes: ['tools:invoke'],
    body: Body,
    answers: { 200: z.object({}) },
    policy: ({ body: { name } }) => ({ action: 'tool:invoke', resource: { type: 'Tool', id: name } }),
    handle: () => ({ status: 200, json: {} }),
  });
  const [probe] = app.functions;
  if (!probe) throw new Error('nothing was registered');
  // The library's HTTP handlers take a request and answer a response.
  return { handler: probe.handler as (request: HttpRequest) => Promise<HttpResponseInit>, close: () => theServices().close() };
}

/** Microseconds. */
async function median(work: () => Promise<unknown>): Promise<number> {
  for (let count = 0; count < warmUp; count++) await work();
  const times: number[] = [];
  for (let count = 0; count < calls; count++) {
    const start = performance.now();
    await work();
    times.push((performance.now() - start) * 1_000);
  }
  return Math.round((times.sort((a, b) => a - b)[calls >> 1] ?? Number.NaN) * 10) / 10;
}
