// Queue names: no two tenants, and no tenant and the platform, ever name the same queue (architecture 3, H-01).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { queueName, readQueueName, type TenantQueue } from '../../../shared/bus/queue-names.ts';
import { AgentId, TenantId } from '../../../shared/scope/ids.ts';
import { agentIds, tenantIds } from '../arbitraries.ts';

const queues: fc.Arbitrary<TenantQueue> = fc.oneof(
  fc.constantFrom('agents' as const, 'orchestrator' as const, 'dlq' as const),
  agentIds.map((agent) => ({ agent })),
);

describe('a queue name', () => {
  it('is the one of architecture 3', () => {
    const acme = TenantId.parse('acme');
    expect(queueName(acme, 'agents')).toBe('acme-agents');
    expect(queueName(acme, 'orchestrator')).toBe('acme-orchestrator');
    expect(queueName(acme, 'dlq')).toBe('acme-dlq');
    expect(queueName(acme, { agent: AgentId.parse('incident-agent') })).toBe('acme-incident_agent');
  });

  it('is read back as what it was made from', () => {
    fc.assert(
      fc.property(tenantIds, queues, (tenantId, queue) => {
        expect(readQueueName(queueName(tenantId, queue))).toEqual({ tenantId, queue });
      }),
      { numRuns: 1_000 },
    );
  });

  it('differs as soon as tenant or queue do', () => {
    fc.assert(
      fc.property(tenantIds, queues, tenantIds, queues, (tenant, queue, other, otherQueue) => {
        const same = tenant === other && JSON.stringify(queue) === JSON.stringify(otherQueue);
        expect(queueName(tenant, queue) === queueName(other, otherQueue)).toBe(same);
      }),
      { numRuns: 2_000 },
    );
  });

  it("keeps H-01's tenants apart: acme's agent eu-agents and acme-eu's shared queue", () => {
    const agentOfAcme = queueName(TenantId.parse('acme'), { agent: AgentId.parse('eu-agents') });
    const sharedOfAcmeEu = queueName(TenantId.parse('acme-eu'), 'agents');
    expect(agentOfAcme).toBe('acme-eu_agents');
    expect(sharedOfAcmeEu).toBe('acme-eu-agents');
    expect(readQueueName(agentOfAcme)?.tenantId).toBe('acme');
    expect(readQueueName(sharedOfAcmeEu)?.tenantId).toBe('acme-eu');
  });

  it("is never the platform's", () => {
    expect(readQueueName('platform-dispatch')).toBeUndefined();
    expect(readQueueName('platform-provision')).toBeUndefined();
    fc.assert(
      fc.property(tenantIds, queues, (tenantId, queue) => {
        expect(queueName(tenantId, queue)).not.toMatch(/^platform-[^-]*$/);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is within what Service Bus takes, at its longest', () => {
    const longest = queueName(TenantId.parse('x'.repeat(40)), { agent: AgentId.parse('y'.repeat(64)) });
    expect(longest.length).toBeLessThanOrEqual(260);
  });

  it('is nothing else: any text that reads as one is the one that is made', () => {
    const texts = fc.string({ unit: fc.constantFrom('a', 'b', '1', '-', '_', 'A', '/', '$'), maxLength: 20 });
    const near = fc.tuple(tenantIds, texts).map(([tenantId, rest]) => `${tenantId}-${rest}`);
    fc.assert(
      fc.property(fc.oneof(texts, near), (text) => {
        const read = readQueueName(text);
        if (read) expect(queueName(read.tenantId, read.queue)).toBe(text);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    '',
    '-',
    'acme',
    'acme-',
    '-agents',
    'acme-a',
    'acme-search',
    'acme-a__b',
    'acme-_a',
    'Acme-agents',
    'acme-Agents',
    'acme-agents/$DeadLetterQueue',
  ])('is not %j', (text) => {
    expect(readQueueName(text)).toBeUndefined();
  });
});
