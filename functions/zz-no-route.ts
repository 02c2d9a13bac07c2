// Sorts last, so it answers whatever no other function matched: 405 where the path exists with another method, else 404.
import { contracts, type HttpContract, matchPath, methodOf, pathOf } from '../shared/context/contract.ts';
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
  const allowed = contracts.filter((each) => matchPath(pathOf(each), url.pathname)).map(methodOf);
  if (allowed.length === 0) return new Problem('not_found');
  return new Problem('method_not_allowed', { headers: { Allow: [...new Set(allowed)].join(', ') } });
});
