// What the app tells the host about itself: answers stream, settings are checked before the first call, and nothing is left unwritten at the end.
import { app } from '@azure/functions';
import { theServices } from '../compose.ts';

app.setup({ enableHttpStream: true });

app.hook.appStart(() => {
  theServices();
});

app.hook.appTerminate(async () => {
  await theServices().close();
});
