// A policy text before it is stored: small and shallow enough, Cedar, and true to the schema.
import type { DetailedError, ValidationError } from '@cedar-policy/cedar-wasm/web';
import type { TextFault } from '../errors/problem.ts';
import { faultOfDepth, placeOf } from './bounds.ts';
import type { Cedar } from './cedar.ts';
import { schema } from './schema.ts';
import { readStatements } from './statements.ts';

/** Its statements where it may be stored, with what Cedar finds odd about them (a policy that can never apply, say). */
export type Checked = { readonly statements: number; readonly warnings: readonly TextFault[] } | { readonly faults: readonly TextFault[] };

const maxFaults = 50;

export function checkPolicy(cedar: Cedar, text: string): Checked {
  const tooDeep = faultOfDepth(text);
  if (tooDeep) return { faults: [tooDeep] };
  const parts = cedar.policySetTextToParts(text);
  if (parts.type === 'failure') return { faults: faultsOf(text, parts.errors) };
  const start = { line: 1, column: 1 };
  if (parts.policy_templates.length > 0) return { faults: [{ ...start, message: 'a policy has no slots: templates are not taken' }] };
  if (parts.policies.length === 0) return { faults: [{ ...start, message: 'there is no policy in this text' }] };

  const answer = cedar.validate({ schema, policies: { staticPolicies: text } });
  if (answer.type === 'failure') return { faults: faultsOf(text, answer.errors) };
  const read = (found: readonly ValidationError[]) =>
    faultsOf(
      text,
      found.map(({ error }) => error),
    );
  if (answer.validationErrors.length > 0) return { faults: read(answer.validationErrors) };
  // Read as a decision will read it: what cannot be read must not be stored.
  return { statements: readStatements(cedar, 'new', text).length, warnings: read(answer.validationWarnings) };
}

function faultsOf(text: string, errors: readonly DetailedError[]): TextFault[] {
  return errors.slice(0, maxFaults).map(({ message, help, sourceLocations }) => {
    const [place] = sourceLocations ?? [];
    const about = [
      message.replace(/^for policy `policy\d+`, /, '').replace(/^failed to parse policies from string: /, ''),
      place?.label,
      help,
    ];
    return { ...placeOf(text, characterAt(text, place?.start ?? 0)), message: about.filter(Boolean).join('; ') };
  });
}

/** Cedar counts in bytes of UTF-8. */
function characterAt(text: string, byte: number): number {
  return Buffer.from(text).subarray(0, byte).toString().length;
}
