// What a client learns before it works: the account and its one region, the one physical partition of a container, the plan of a query.

/** @param host of the request: whoever found this server under that name will find it again. */
export function describeAccount(host: string): string {
  const locations = [{ name: 'Local', databaseAccountEndpoint: `http://${host}/` }];
  return JSON.stringify({
    id: 'local-twin',
    _self: '',
    _rid: 'local-twin',
    _dbs: '//dbs/',
    writableLocations: locations,
    readableLocations: locations,
    enableMultipleWriteLocations: false,
    userConsistencyPolicy: { defaultConsistencyLevel: 'Strong' },
  });
}

export function describeRange(containerRid: string): string {
  return JSON.stringify({ id: '0', _rid: containerRid, minInclusive: '', maxExclusive: 'FF', status: 'online', parents: [] });
}

/**
 * Leaves nothing for the client to do. The SDK asks for a plan before every query, and uses it only where it was given no partition key: that
 * is refused when the query itself comes.
 */
export const queryPlan = JSON.stringify({
  partitionedQueryExecutionInfoVersion: 2,
  queryInfo: { distinctType: 'None', orderBy: [], groupByExpressions: [], aggregates: [], rewrittenQuery: '', hasSelectValue: false },
  queryRanges: [{ min: '', max: 'FF', isMinInclusive: true, isMaxInclusive: false }],
});
