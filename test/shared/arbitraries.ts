// Random ids and JSON values for the laws.
import fc from 'fast-check';
import { AgentId, IntegrationId, TenantId } from '../../shared/scope/ids.ts';

const lower = [...'abcdefghijklmnopqrstuvwxyz0123456789'];
/** Words of few letters, so that two ids often share a beginning or an end. */
const word = fc.oneof(
  fc.constantFrom('a', 'b', 'agents', 'eu', 'dlq', 'orchestrator', 'platform', 'dispatch', 'provision', 'x1'),
  fc.string({ unit: fc.constantFrom(...lower), minLength: 1, maxLength: 12 }),
);
const hyphened = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join('-'));

export const tenantIds = hyphened.filter((id) => TenantId.safeParse(id).success).map((id) => TenantId.parse(id));
export const agentIds = hyphened.filter((id) => AgentId.safeParse(id).success).map((id) => AgentId.parse(id));
export const integrationIds = hyphened.filter((id) => IntegrationId.safeParse(id).success).map((id) => IntegrationId.parse(id));

/** JSON values whose texts are well-formed, as the API lets them in. `-0` is `0`: JSON tells them apart, RFC 8785 does not. */
export const jsonValues: fc.Arbitrary<unknown> = fc
  .jsonValue({ stringUnit: 'binary' })
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown);
