// Sorts last, so it answers whatever no other function matched: 405 where the path exists with another method, else 404.
import { contracts, type HttpContract, methodOf, pathOf } from '../shared/context/contract.ts';
import { serve } from '../shared/context/http.ts';
import { Problem } from '../shared/errors/problem.ts';

const contract: HttpContract = {
  name: 'zz-no-route',
  route: 'GET /{*path}',
  summary: 'Answers for every path that is no route',
  access: { kind: 'anyone' },
  answers: {},
};

serve(contract, ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'], '/{*path}', ({ url }) => {
  const allowed = contracts.filter((each) => isAt(pathOf(each), url.pathname)).map(methodOf);
  if (allowed.length === 0) return new Problem('not_found');
  return new Problem('method_not_allowed', { headers: { Allow: [...new Set(allowed)].join(', ') } });
});

/** Segment by segment, as the host matches templates of ours: literals regardless of case, a parameter takes one segment. */
function isAt(template: string, path: string): boolean {
  const wanted = template.split('/');
  const given = path.split('/');
  return (
    wanted.length === given.length &&
    wanted.every((part, at) => (part.startsWith('{') ? given[at] !== '' : part.toLowerCase() === given[at]?.toLowerCase()))
  );
}
