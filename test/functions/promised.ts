// How soon a change made on one host holds on another (api.md, Common rules), with a second on top for a machine that is busy with tests.
export const promisedMs = 3_000;
