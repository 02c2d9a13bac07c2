// What a load would see if something leaked: the load's own eyes are tested, since a load that sees nothing proves nothing otherwise.
import { describe, expect, test } from 'vitest';
import { Findings, jain } from '../../bench/load/findings.ts';
import type { House, Member } from '../../bench/load/fleet.ts';
import { Caller } from '../../local/demo/caller.ts';
import { deriveKey, sign } from '../../shared/messaging/signature.ts';

const caller = new Caller('http://127.0.0.1:1');
const house = (id: string, at: number): House => ({ at, id, owner: caller, canary: `canary-${id}-end`, members: [] });
const member = (of: House, agentId: string): Member => ({
  house: of,
  agentId,
  caller,
  delivery: 'pull',
  queue: `${of.id}-${agentId}`,
  key: deriveKey(Buffer.alloc(32, of.at + 1), of.id, agentId, 'k1'),
});
const [acme, globex] = [house('acme', 0), house('globex', 1)];
const [one, two, foreign] = [member(acme, 'one'), member(acme, 'two'), member(globex, 'one')];

function messageFor(to: Member, messageId: string, canary = to.house.canary): object {
  const envelope = {
    messageId,
    tenantId: to.house.id,
    agentId: 'two',
    to: to.agentId,
    messageType: 'load',
    payload: { canary },
    timestamp: new Date().toISOString(),
  };
  return { ...envelope, signature: sign(envelope, to.key) };
}

describe('a load', () => {
  test('finds nothing where nothing is wrong', () => {
    const findings = new Findings();
    for (const [to, id] of [
      [one, 'a'],
      [two, 'b'],
      [foreign, 'c'],
    ] as const) {
      findings.accepted(id, to);
      expect(findings.arrived(to, messageFor(to, id))).toBe(true);
    }
    expect(findings.summary([acme, globex])).toMatchObject({ accepted: 3, arrived: 3, lost: 0, repeated: 0, leaks: 0 });
  });

  test.for([
    ['a message of another tenant', one, messageFor(foreign, 'x')],
    ['a message for another agent', one, messageFor(two, 'x')],
    ['content of another tenant', one, messageFor(one, 'x', globex.canary)],
    ['something nobody signed', one, { ...messageFor(one, 'x'), payload: 'changed' }],
    ['no envelope', one, 'nothing'],
  ] as const)('sees %s', ([, to, body]) => {
    const findings = new Findings();
    findings.arrived(to, body);
    expect(findings.summary([acme, globex]).leaks).toBe(1);
  });

  test('sees who got what was accepted for another', () => {
    const findings = new Findings();
    findings.accepted('x', two);
    findings.arrived(one, messageFor(one, 'x'));
    expect(findings.summary([acme]).leaks).toBe(1);
  });

  test('sees another tenant’s canary in an answer', () => {
    const findings = new Findings();
    expect(findings.isOwn(acme, 'a list', `{"a":"${acme.canary}"}`)).toBe(true);
    expect(findings.isOwn(acme, 'a list', `{"a":"${acme.canary}","b":"${globex.canary}"}`)).toBe(false);
    expect(findings.summary([acme])).toMatchObject({ leaks: 1, leaksShown: [`a list of acme holds ${globex.canary}`] });
  });

  test('sees what never came, and what came twice', () => {
    const findings = new Findings();
    findings.accepted('never', one);
    findings.accepted('twice', one);
    for (let times = 0; times < 2; times++) findings.arrived(one, messageFor(one, 'twice'));
    expect(findings.summary([acme])).toMatchObject({ accepted: 2, arrived: 1, lost: 1, repeated: 1, leaks: 0 });
  });

  test('tells fair from unfair by Jain’s index', () => {
    expect(jain([5, 5, 5, 5])).toBe(1);
    expect(jain([1, 0, 0, 0])).toBe(0.25);
    expect(jain([])).toBe(1);
  });
});
