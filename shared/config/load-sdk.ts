// Loads SDKs one after another. Node refuses a `require` of a module that a concurrent `import` is still reading (ERR_REQUIRE_ESM_RACE_CONDITION),
// and the Azure SDKs share many.

let last: Promise<unknown> = Promise.resolve();

/** Runs `load`, an `import()` of an SDK, when the one before is done. */
export function loadSdk<Module>(load: () => Promise<Module>): Promise<Module> {
  const next = last.then(load);
  last = next.catch(() => undefined);
  return next;
}
