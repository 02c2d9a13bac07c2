// What a registered function is triggered by, read from its bindings; whatever this host does not model is refused by name.
import * as z from 'zod';
import type { Binding, FunctionMetadata } from './core-module.ts';

const shared = {
  name: z.string(),
  direction: z.literal('in'),
  // written by the library for every trigger; "true" would hand an SDK client to the function
  properties: z.strictObject({ supportsDeferredBinding: z.literal('false', 'SDK bindings are not modelled') }).optional(),
};

const HttpTrigger = z.strictObject({
  ...shared,
  type: z.string(),
  authLevel: z.literal('anonymous', 'function and admin keys are not modelled: only authLevel "anonymous" is'),
  methods: z.array(z.string()).min(1),
  route: z.string().optional(),
});

const ServiceBusTrigger = z.strictObject({
  ...shared,
  type: z.string(),
  connection: z.string(),
  queueName: z.string('only queues are modelled, no topics'),
  isSessionsEnabled: z.literal(false, 'sessions are not modelled').optional(),
  cardinality: z.literal('one', 'batches (cardinality "many") are not modelled').optional(),
  dataType: z.enum(['string', 'binary']).optional(),
  autoCompleteMessages: z.boolean().optional(),
});

const TimerTrigger = z.strictObject({
  ...shared,
  type: z.string(),
  schedule: z.string(),
  runOnStartup: z.boolean().optional(),
  useMonitor: z.boolean().optional(),
});

export type Trigger =
  | ({ readonly kind: 'http' } & z.infer<typeof HttpTrigger>)
  | ({ readonly kind: 'serviceBus' } & z.infer<typeof ServiceBusTrigger>)
  | ({ readonly kind: 'timer' } & z.infer<typeof TimerTrigger>);

/** A function and what triggers it; throws, naming the function, for anything not modelled. */
export function readTrigger(metadata: FunctionMetadata): Trigger {
  const { name } = metadata;
  if (!/^[a-z][a-z0-9_-]{0,127}$/i.test(name) || /^host$/i.test(name)) throw new Error(`'${name}' is not a valid function name.`);
  if (metadata.retryOptions) throw new Error(`Function "${name}": retry policies are not modelled.`);
  const trigger = onlyTrigger(metadata);
  switch (trigger.type.toLowerCase()) {
    case 'httptrigger':
      return { kind: 'http', ...read(name, HttpTrigger, trigger) };
    case 'servicebustrigger':
      return { kind: 'serviceBus', ...read(name, ServiceBusTrigger, trigger) };
    case 'timertrigger':
      return { kind: 'timer', ...read(name, TimerTrigger, trigger) };
    default:
      throw new Error(`Function "${name}": the trigger ${trigger.type} is not modelled by the local host.`);
  }
}

function onlyTrigger(metadata: FunctionMetadata): Binding {
  let trigger: Binding | undefined;
  let http = false;
  for (const [name, binding] of Object.entries(metadata.bindings)) {
    if (/trigger$/i.test(binding.type) && !trigger) trigger = binding;
    else if (name === '$return' && binding.type.toLowerCase() === 'http') http = true;
    else
      throw new Error(
        `Function "${metadata.name}": the ${binding.direction} binding ${name} (${binding.type}) is not modelled by the local host.`,
      );
  }
  if (!trigger) throw new Error(`Function "${metadata.name}" has no trigger.`);
  if (http !== (trigger.type.toLowerCase() === 'httptrigger')) {
    throw new Error(`Function "${metadata.name}": an HTTP response goes with an HTTP trigger and no other.`);
  }
  return trigger;
}

function read<T>(name: string, shape: z.ZodType<T>, binding: Binding): T {
  const result = shape.safeParse(binding);
  if (!result.success) throw new Error(`Function "${name}" cannot be started by the local host:\n${z.prettifyError(result.error)}`);
  return result.data;
}
