// What each tier allows (api.md, Quota). A tenant's own `quotas` win over its tier.

export const tierNames = ['standard', 'premium', 'enterprise'] as const;
export type Tier = (typeof tierNames)[number];

export const meterNames = [
  'maxAgents',
  'maxMessagesPerDay',
  'maxToolCallsPerDay',
  'maxAITokensPerDay',
  'maxStorageMB',
  'requestsPerMinute',
  'maxConcurrentCalls',
] as const;
export type Meter = (typeof meterNames)[number];

const tiers = {
  standard: {
    maxAgents: 50,
    maxMessagesPerDay: 100_000,
    maxToolCallsPerDay: 50_000,
    maxAITokensPerDay: 1_000_000,
    maxStorageMB: 10_000,
    requestsPerMinute: 600,
    maxConcurrentCalls: 20,
  },
  premium: {
    maxAgents: 500,
    maxMessagesPerDay: 1_000_000,
    maxToolCallsPerDay: 500_000,
    maxAITokensPerDay: 10_000_000,
    maxStorageMB: 100_000,
    requestsPerMinute: 6_000,
    maxConcurrentCalls: 100,
  },
  enterprise: {
    maxAgents: 5_000,
    maxMessagesPerDay: 20_000_000,
    maxToolCallsPerDay: 10_000_000,
    maxAITokensPerDay: 200_000_000,
    maxStorageMB: 1_000_000,
    requestsPerMinute: 60_000,
    maxConcurrentCalls: 500,
  },
} as const satisfies Record<Tier, Record<Meter, number>>;

/** The limit that holds for a tenant of this tier with these exceptions. */
export function limitOf(tier: Tier, quotas: Readonly<Partial<Record<Meter, number>>>, meter: Meter): number {
  return quotas[meter] ?? tiers[tier][meter];
}
