// Our problems as OAuth 2.0 clients know them: the members `error` and `error_description` of RFC 6749, 5.2, beside ours.
import type { ProblemCode } from '../errors/catalogue.ts';
import { explain } from '../errors/catalogue.ts';
import type { Problem } from '../errors/problem.ts';

/** Codes that are errors of RFC 6749 themselves. */
const own: ReadonlySet<ProblemCode> = new Set([
  'invalid_client',
  'invalid_grant',
  'invalid_request',
  'invalid_scope',
  'unsupported_grant_type',
]);

export function oauthMembers({ code, status, particulars }: Problem): { error: string; error_description: string } {
  const description = particulars.detail ?? explain(code).explanation;
  // No quotation marks, no backslashes, nothing beyond ASCII.
  return { error: errorOf(code, status), error_description: description.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'") };
}

function errorOf(code: ProblemCode, status: number): string {
  if (own.has(code)) return code;
  if (status >= 500 || status === 429) return 'temporarily_unavailable';
  return status === 403 ? 'unauthorized_client' : 'invalid_request';
}
