// Everything that is the tenant's, to carry away. Secrets stay.
import { Readable } from 'node:stream';
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { TenantId } from '../../shared/scope/ids.ts';
import { exportLines } from '../../shared/tenancy/export.ts';

export const exportAll = http({
  name: 'tenants-export',
  route: 'GET /tenants/{tenantId}/export',
  summary: 'Exports all that is the tenant’s, secrets excluded',
  scopes: ['tenant:write'],
  path: z.object({ tenantId: TenantId }),
  answers: { 200: 'application/x-ndjson' },
  audit: 'tenant.exported',
  handle: async ({ scope, exchange }, { store, ledger, ledgerArchive }) => {
    // Before the first byte: nobody carries anything away unseen.
    await ledger.append(scope, exchange.cause, { action: 'tenant.exported', entity: { type: 'tenant', id: scope.tenantId } });
    const disposition = `attachment; filename="${scope.tenantId}.ndjson"`;
    const headers = { 'content-type': 'application/x-ndjson', 'content-disposition': disposition };
    return { status: 200, raw: Readable.from(exportLines({ store, archive: ledgerArchive }, scope)), headers };
  },
});
