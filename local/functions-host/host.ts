// The local Functions host: runs an app of the unmodified library `@azure/functions` in this process, as Azure runs it.
import { setTimeout as wait } from 'node:timers/promises';
import { FunctionApp, type FunctionMetadata, provideCoreModule, type RegisteredFunction } from './core-module.ts';
import { HttpDoor } from './http-door.ts';
import { Invoker } from './invoke.ts';
import { openLibraryServer } from './library-server.ts';
import { HostLog } from './log.ts';
import { compareNames, type HttpFunction, Router } from './router.ts';
import { QueueListener } from './service-bus-trigger.ts';
import { applySettings, type HostJson, readHostJson, readLocalSettings } from './settings.ts';
import { TimerListener } from './timer-trigger.ts';
import { readTrigger } from './triggers.ts';

export interface FunctionsHostOptions {
  /** The folder that holds host.json and, if there is one, local.settings.json. */
  readonly root: string;
  /** Imports the app, which registers all its functions meanwhile. */
  readonly load: () => Promise<unknown>;
  /** The loopback port to listen on; 0 takes any free one. */
  readonly port: number;
  /** App settings. They become environment variables before `load`; what the environment has wins, `Values` of local.settings.json come last. */
  readonly settings: Readonly<Record<string, string>>;
}

export interface FunctionsHost {
  readonly port: number;
  readonly url: string;
  /** What the app registered, in the order of the names. */
  readonly functions: readonly FunctionMetadata[];
  /**
   * Takes no more requests, messages and timer runs, waits up to `graceMs` (30 s by default) for those under way, drops what is left and runs
   * the app's appTerminate hooks. Idempotent.
   */
  stop(graceMs?: number): Promise<void>;
}

/** A source of invocations other than HTTP. */
interface Listener {
  start(): Promise<void> | void;
  /** Takes nothing more; resolves once nothing is under way. */
  drain(): Promise<void>;
  /** Lets go of what is left. */
  close(): Promise<void> | void;
}

/** Starts the host; a process can have one. Throws, naming function and reason, for an app Azure would not start or this host does not model. */
export async function startFunctionsHost(options: FunctionsHostOptions): Promise<FunctionsHost> {
  const hostJson = await readHostJson(options.root);
  applySettings(options.settings, await readLocalSettings(options.root));
  const app = new FunctionApp();
  const log = new HostLog(hostJson.logging.logLevel);
  const invoker = new Invoker(app, log);
  provideCoreModule(app, (level, category, message) => invoker.log(undefined, level, category, message));
  await options.load();
  for (const hook of app.hooks.appStart) await hook(appContext(app, options.root));
  app.lock();
  if (!app.model) throw new Error('The app registered no functions.');
  const functions = app.functions.toSorted((a, b) => compareNames(a.metadata.name, b.metadata.name));
  const { http, listeners } = triggersOf(functions, hostJson, invoker, log);
  const router = new Router(http, hostJson.extensions.http.routePrefix);
  const library = await openLibraryServer(app.model);
  const door = new HttpDoor(router, invoker, library.httpUri);
  const sources = [...listeners, door];

  async function stop(graceMs: number): Promise<void> {
    const drained = Promise.all(sources.map((source) => source.drain()));
    const grace = new AbortController();
    await Promise.race([drained, wait(graceMs, undefined, { signal: grace.signal }).catch(() => {})]);
    grace.abort();
    await Promise.all(sources.map((source) => source.close()));
    library.close();
    for (const hook of app.hooks.appTerminate) await hook(appContext(app, options.root));
  }

  let stopped: Promise<void> | undefined;
  try {
    const port = await door.listen(options.port);
    await Promise.all(listeners.map((listener) => listener.start()));
    return {
      port,
      url: `http://127.0.0.1:${port}`,
      functions: functions.map(({ metadata }) => metadata),
      stop: (graceMs = 30_000) => (stopped ??= stop(graceMs)),
    };
  } catch (error) {
    await stop(0);
    throw error;
  }
}

function triggersOf(functions: readonly RegisteredFunction[], { extensions }: HostJson, invoker: Invoker, log: HostLog) {
  const http: HttpFunction[] = [];
  const listeners: Listener[] = [];
  for (const called of functions) {
    const trigger = readTrigger(called.metadata);
    if (trigger.kind === 'http') {
      http.push({ called, binding: trigger.name, methods: trigger.methods, route: trigger.route || called.metadata.name });
    } else if (trigger.kind === 'timer') {
      listeners.push(new TimerListener(called, trigger, invoker));
    } else {
      listeners.push(new QueueListener(called, trigger, extensions.serviceBus, invoker, log));
    }
  }
  return { http, listeners };
}

/** What appStart and appTerminate hooks are given. */
function appContext(app: FunctionApp, functionAppDirectory: string): object {
  return { hookData: app.appLevelHookData, appHookData: app.appHookData, functionAppDirectory };
}
