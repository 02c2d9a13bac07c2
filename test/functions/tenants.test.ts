// Making, listing and showing tenants.
import { describe, expect, inject, test } from 'vitest';
import { Caller } from '../../local/demo/caller.ts';
import { newTenant } from '../flowgrid.ts';

const local = inject('local');
const platform = new Caller(local.api, local.platformKey);

describe('POST /tenants', () => {
  test('makes a tenant that becomes active, and answers its owner key once', async () => {
    const { id, key } = await newTenant(local);
    expect(key).toMatch(new RegExp(`^fg_${id}_`));
    const again = await platform.try<{ status: string; ownerKey?: unknown }>('POST', '/tenants', { id, name: id });
    expect(again.status).toBe(200);
    expect(again.body.ownerKey).toBeUndefined();
    const other = await platform.try<{ code: string }>('POST', '/tenants', { id, name: 'another name' });
    expect([other.status, other.body.code]).toEqual([409, 'tenant_exists']);
  });
});
