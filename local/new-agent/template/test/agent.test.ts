// What My Agent says, and what it refuses. Nothing of FlowGrid need run for this.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EnvironmentError } from 'flowgrid/agent';
import { greetingOf, makeAgent } from '../src/agent.ts';

test('greets by name', () => {
  assert.deepEqual(greetingOf({ name: 'Ada' }), { text: 'Hello Ada, this is My Agent.' });
});

test('greets nobody without a name', () => {
  for (const payload of [null, 'Ada', {}, { name: 7 }]) assert.throws(() => greetingOf(payload), TypeError);
});

test('does not start without its environment, and says what is missing', () => {
  assert.throws(
    () => makeAgent({}),
    (error: unknown) => error instanceof EnvironmentError && error.message.includes('FLOWGRID_TENANT_ID'),
  );
});
