// One invocation, in the worker's order (its src/eventHandlers/InvocationHandler.ts): arguments, preInvocation hooks, handler,
// postInvocation hooks, response.
import type {
  FunctionApp,
  FunctionMetadata,
  Handler,
  InvocationModel,
  InvocationRequest,
  InvocationResponse,
  LogCategory,
  LogLevel,
  RegisteredFunction,
} from './core-module.ts';
import type { HostLog } from './log.ts';

/** Runs an app's functions. */
export class Invoker {
  readonly #app: FunctionApp;
  readonly #log: HostLog;

  constructor(app: FunctionApp, log: HostLog) {
    this.#app = app;
    this.#log = log;
  }

  /** Rejects with whatever the function, a hook or the library threw. */
  invoke(called: RegisteredFunction, request: InvocationRequest): Promise<InvocationResponse> {
    const core = new CoreContext(this, called.metadata, request);
    return this.#run(this.#model(core), core, called.handler, false);
  }

  /**
   * As `invoke`, for a function whose response the library itself sends (HTTP streaming). A function that throws, or returns nothing, leaves
   * the caller without an answer on Azure (azure-functions-nodejs-library#324); here it is logged and the library made to send an empty 500.
   */
  async invokeStreaming(called: RegisteredFunction, request: InvocationRequest): Promise<void> {
    const core = new CoreContext(this, called.metadata, request);
    const model = this.#model(core);
    try {
      await this.#run(model, core, called.handler, true);
    } catch (error) {
      this.failed(called.metadata.name, request.invocationId, error);
      // The library reads nothing but the id from the context of a response.
      await (await model).getResponse({ invocationId: request.invocationId }, { status: 500 });
    }
  }

  /** Logs why an invocation failed; the caller never sees it. */
  failed(name: string, invocationId: string, error: unknown): void {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#log.write('error', `Function.${name}`, `Failed: ${reason}`, { function: name, invocationId });
  }

  /**
   * A line of the app or the library, of an invocation or not. It passes the app's own log hooks, which may change the user's lines but
   * cannot stop any.
   */
  log(core: CoreContext | undefined, level: LogLevel, category: LogCategory, message: string): void {
    const { invocationContext, hookData = {} } = core?.hooked ?? {};
    const line = { level, message, category, invocationContext, hookData, appHookData: this.#app.appHookData };
    try {
      for (const hook of this.#app.hooks.log) hook(line);
    } catch {
      // a hook that throws loses its say, not the line
    }
    const name = core ? `Function.${core.metadata.name}` : 'Worker';
    const source = core ? { function: core.metadata.name, invocationId: core.invocationId } : {};
    if (category === 'user') this.#log.write(line.level, `${name}.User`, line.message, source);
    else this.#log.write(level, name, message, source);
  }

  #model(core: CoreContext): InvocationModel | Promise<InvocationModel> {
    if (!this.#app.model) throw new Error('No programming model was registered.');
    return this.#app.model.getInvocationModel(core);
  }

  async #run(
    made: InvocationModel | Promise<InvocationModel>,
    core: CoreContext,
    functionCallback: Handler,
    mustAnswer: boolean,
  ): Promise<InvocationResponse> {
    const { hooks, appHookData } = this.#app;
    const model = await made;
    const { context, inputs } = await model.getArguments();
    const hooked: Hooked = { inputs, functionCallback, result: null, error: null, invocationContext: context, hookData: {}, appHookData };
    core.hooked = hooked;
    for (const hook of hooks.preInvocation) await hook(hooked);
    try {
      hooked.result = await model.invokeFunction(context, hooked.inputs, hooked.functionCallback);
    } catch (error) {
      hooked.error = error;
    }
    core.state = 'postInvocationHooks';
    for (const hook of hooks.postInvocation) await hook(hooked);
    core.state = undefined;
    if (hooked.error !== null && hooked.error !== undefined) throw hooked.error;
    if (mustAnswer && (hooked.result === null || hooked.result === undefined)) throw new Error('The function returned no response.');
    return model.getResponse(context, hooked.result);
  }
}

/** What hooks are given: `inputs` and `functionCallback` count before, `result` and `error` after the handler ran. The library guards the rest. */
interface Hooked {
  inputs: unknown[];
  functionCallback: Handler;
  result: unknown;
  error: unknown;
  readonly invocationContext: unknown;
  readonly hookData: Record<string, unknown>;
  readonly appHookData: Record<string, unknown>;
}

/** What the library knows of an invocation. */
class CoreContext {
  readonly invocationId: string;
  readonly metadata: FunctionMetadata;
  readonly request: InvocationRequest;
  readonly #invoker: Invoker;
  /** In other states the library warns of a log line after the handler's end. */
  state: 'postInvocationHooks' | undefined;
  hooked: Hooked | undefined;

  constructor(invoker: Invoker, metadata: FunctionMetadata, request: InvocationRequest) {
    this.#invoker = invoker;
    this.invocationId = request.invocationId;
    this.metadata = metadata;
    this.request = request;
  }

  log(level: LogLevel, category: LogCategory, message: string): void {
    this.#invoker.log(this, level, category, message);
  }
}
