// The module `@azure/functions-core`, which the Node worker of Azure Functions invents at run time and the library `@azure/functions` registers
// with. Modelled on the worker's src/setupCoreModule.ts and src/coreApi; the names here are the library's.
import Module from 'node:module';

/** A value on its way between host and library; exactly one member is set. */
export interface TypedData {
  readonly string?: string;
  readonly json?: string;
  readonly bytes?: Uint8Array;
  readonly http?: HttpData;
  readonly int?: number;
  readonly double?: number;
}

/** An HTTP request on the way in, a response on the way out. */
export interface HttpData {
  readonly method?: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: TypedData | null;
  readonly statusCode?: string;
  readonly cookies?: readonly HttpCookie[];
  readonly enableContentNegotiation?: boolean;
}

export interface HttpCookie {
  readonly name: string;
  readonly value: string;
  readonly domain?: { value: string };
  readonly path?: { value: string };
  readonly expires?: { value: { seconds: number } };
  readonly secure?: { value: boolean };
  readonly httpOnly?: { value: boolean };
  readonly sameSite: 'none' | 'lax' | 'strict' | 'explicitNone';
  readonly maxAge?: { value: number };
}

export interface InvocationRequest {
  readonly invocationId: string;
  readonly functionId: string;
  readonly inputData: readonly { readonly name: string; readonly data: TypedData }[];
  readonly triggerMetadata: Readonly<Record<string, TypedData>>;
  readonly traceContext: { readonly traceParent: string; readonly traceState: string };
}

export interface InvocationResponse {
  readonly returnValue?: TypedData | null;
  readonly outputData?: readonly { readonly name: string; readonly data: TypedData }[];
}

export interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], handler: Handler): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<InvocationResponse>;
}

export interface ProgrammingModel {
  readonly name: string;
  readonly version: string;
  getInvocationModel(core: object): InvocationModel | Promise<InvocationModel>;
  getCapabilities?(capabilities: Record<string, string>): Record<string, string> | Promise<Record<string, string>>;
}

/** A binding as the library registered it: its type and direction, and whatever options its kind has. */
export type Binding = Readonly<Record<string, unknown>> & { readonly type: string; readonly direction: string };

export interface FunctionMetadata {
  readonly name: string;
  readonly functionId?: string;
  readonly bindings: Readonly<Record<string, Binding>>;
  readonly retryOptions?: unknown;
}

export type Handler = (...args: unknown[]) => unknown;
export type HookName = 'appStart' | 'appTerminate' | 'preInvocation' | 'postInvocation' | 'log';
export type HookCallback = (context: object) => unknown;
export type LogLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical' | 'none';
export type LogCategory = 'user' | 'system' | 'customMetric';
export type Log = (level: LogLevel, category: LogCategory, message: string) => void;

export interface RegisteredFunction {
  readonly metadata: FunctionMetadata;
  readonly handler: Handler;
}

class Disposable {
  readonly #dispose: () => unknown;

  constructor(dispose: () => unknown) {
    this.#dispose = dispose;
  }

  static from(...disposables: { dispose(): unknown }[]): Disposable {
    return new Disposable(() => {
      for (const disposable of disposables) disposable.dispose();
    });
  }

  dispose(): unknown {
    return this.#dispose();
  }
}

/** What an app registered: its functions, hooks and programming model. Registration ends with `lock`, as after a worker's start. */
export class FunctionApp {
  readonly functions: RegisteredFunction[] = [];
  readonly hooks: Readonly<Record<HookName, HookCallback[]>> = {
    appStart: [],
    appTerminate: [],
    preInvocation: [],
    postInvocation: [],
    log: [],
  };
  /** Shared by all hooks. */
  readonly appHookData: Record<string, unknown> = {};
  /** Shared by the hooks `appStart` and `appTerminate` alone. */
  readonly appLevelHookData: Record<string, unknown> = {};
  model: ProgrammingModel | undefined;
  #locked = false;

  /** From here on functions can neither be registered nor withdrawn. */
  lock(): void {
    this.#locked = true;
  }

  register(metadata: FunctionMetadata, handler: Handler): Disposable {
    if (this.#locked) throw new Error('A function can only be registered during app startup.');
    const name = metadata.name.toLowerCase();
    if (this.functions.some((other) => other.metadata.name.toLowerCase() === name)) {
      throw new Error(`A function with id "${metadata.name}" has already been registered.`);
    }
    const registered = { metadata, handler };
    this.functions.push(registered);
    return new Disposable(() => {
      if (this.#locked) throw new Error('A function can only be disposed during app startup.');
      remove(this.functions, registered);
    });
  }

  hook(name: string, callback: HookCallback): Disposable {
    if (!Object.hasOwn(this.hooks, name)) {
      throw Object.assign(new RangeError(`Unrecognized hook "${name}"`), { isAzureFunctionsSystemError: true });
    }
    const hooks = this.hooks[name as HookName]; // its own key, checked above
    hooks.push(callback);
    return new Disposable(() => remove(hooks, callback));
  }
}

function remove<T>(list: T[], item: T): void {
  const index = list.indexOf(item);
  if (index >= 0) list.splice(index, 1);
}

/**
 * Makes `require('@azure/functions-core')` in this process answer with a module that registers into `app`, by the worker's own means: a patched
 * `Module.prototype.require`. Call it before the app is loaded: the library asks once and, if refused, goes into its test mode for good.
 */
export function provideCoreModule(app: FunctionApp, log: Log): void {
  const core = {
    version: '3.10.1',
    hostVersion: '4.1040.0',
    Disposable,
    log,
    registerFunction: (metadata: FunctionMetadata, handler: Handler) => app.register(metadata, handler),
    registerHook: (name: string, callback: HookCallback) => app.hook(name, callback),
    getProgrammingModel: () => app.model,
    setProgrammingModel: (model: ProgrammingModel) => {
      app.model = model;
    },
  };
  const original = Module.prototype.require;
  Module.prototype.require = function require(this: Module, id: string) {
    return id === '@azure/functions-core' ? core : original.call(this, id);
  };
}
