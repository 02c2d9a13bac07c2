// `npm run demo`: plays the whole of FlowGrid once, as two tenants would use it, and ends with 1 when anything is not as told.
import { openDemo } from './demo/place.ts';
import { play } from './demo/play.ts';
import { Told } from './demo/told.ts';

const told = new Told();
const place = await openDemo(process.argv.slice(2));
try {
  told.say(place.own ? 'A twin of its own, gone when the demo ends.' : `The running FlowGrid at ${place.local.api}.`);
  await play(place.local, told);
  told.end();
} catch (error) {
  told.fail(error);
  process.exitCode = 1;
} finally {
  await place.close();
}
