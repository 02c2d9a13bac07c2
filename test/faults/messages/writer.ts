// Somebody who sends in a process of its own and is killed at any moment: every number once, and the numbers whose acceptance it has seen in a file.
// Run with API (a host's address), KEY, FROM, TO (agent ids, separated by spaces), FIRST (a number) and ACCEPTED (a file).
import { appendFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { Caller } from '../../../local/demo/caller.ts';
import { contentOf } from './content.ts';

const { API: api = '', KEY: key, FROM: from = '', TO: to = '', FIRST: first = '0', ACCEPTED: accepted = '' } = process.env;
const caller = new Caller(api, key);
const recipients = to.split(' ');
const atOnce = 8;
let next = Number(first);

async function send(): Promise<void> {
  for (;;) {
    const number = next++;
    const recipient = recipients[number % recipients.length] ?? '';
    const order = { to: recipient, from, ...contentOf(number, recipient) };
    try {
      const { messageId } = await caller.ask<{ messageId: string }>('POST', '/api/messages', order);
      appendFileSync(accepted, `${number} ${messageId}\n`);
    } catch {
      // It may have been taken or not: the number is not sent again, and nothing is promised of it.
      await wait(50);
    }
  }
}

await Promise.all(Array.from({ length: atOnce }, send));
