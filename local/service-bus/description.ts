// Queues as ATOM entries, and entries as settings.
import { resourcePath } from './access.ts';
import type { Queue } from './queues.ts';
import { fixedSettings, formatDuration, Settings } from './settings.ts';
import { type Element, element, escapeXml, leaf, parseXml, XmlError } from './xml.ts';

/** An error answer; `subCode` is the service's finer code. */
export class AdministrationError extends Error {
  readonly status: number;

  constructor(status: number, detail: string, subCode = status * 100) {
    super(`SubCode=${subCode}. ${detail}`);
    this.status = status;
  }

  get xml(): string {
    return element('Error', leaf('Code', this.status) + leaf('Detail', this.message));
  }
}

export const notModelled = (what: string) => new AdministrationError(501, `The local Service Bus broker does not model ${what}.`);
export const badRequest = (what: string) => new AdministrationError(400, `Bad Request. ${what}`);

const ATOM = 'xmlns="http://www.w3.org/2005/Atom"';
const SERVICE_BUS =
  'xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"';
const COUNTS = 'xmlns:d2p1="http://schemas.microsoft.com/netservices/2011/06/servicebus"';

/** The settings in the body of a PUT. @throws AdministrationError 400, or 501 for what is not modelled */
export function readDescription(xml: string): Settings {
  const root = parse(xml);
  const description = root.children.find(({ name }) => name === 'content')?.children[0];
  if (root.name !== 'entry' || !description) throw badRequest('The body is not an ATOM entry with content.');
  if (description.name !== 'QueueDescription') throw notModelled(`${description.name}, only queues`);
  const fields: Record<string, unknown> = {};
  for (const { name, text, children } of description.children) {
    const field = camel(name);
    if (field in fields) throw badRequest(`${name} is given twice.`);
    const [fixed, what] = (Object.hasOwn(fixedSettings, field) && fixedSettings[field]) || [];
    if (what && text !== fixed) throw notModelled(what);
    if (name === 'AuthorizationRules') fields[field] = children.map(readRule);
    else if (name === 'ForwardDeadLetteredMessagesTo') fields[field] = text.includes('://') ? resourcePath(text) : text;
    else if (!what) fields[field] = text;
  }
  const { data, error } = Settings.safeParse(fields);
  if (data) return data;
  throw badRequest(error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
}

function parse(xml: string): Element {
  try {
    return parseXml(xml);
  } catch (error) {
    throw error instanceof XmlError ? badRequest(`The body is not the XML expected: ${error.message}.`) : error;
  }
}

function readRule(rule: Element): Record<string, unknown> {
  const fields = rule.children.map(({ name, text, children }) => [
    camel(name),
    name === 'Rights' ? children.map((right) => right.text) : text,
  ]);
  return Object.fromEntries(fields);
}

const camel = (name: string) => name.charAt(0).toLowerCase() + name.slice(1);
const pascal = (name: string) => name.charAt(0).toUpperCase() + name.slice(1);

export interface Counts {
  readonly active: number;
  readonly scheduled: number;
  readonly deadLettered: number;
}

/** An entry for a queue; `base` is the address of the namespace, `http://host:port`. */
export function queueEntry(base: string, queue: Queue, counts: Counts): string {
  const { authorizationRules, lockDuration, defaultMessageTimeToLive, forwardDeadLetteredMessagesTo: target, ...others } = queue.settings;
  const rules = authorizationRules.map(({ keyName, rights, primaryKey, secondaryKey }) =>
    element(
      'AuthorizationRule',
      leaves({ ClaimType: 'SharedAccessKey', ClaimValue: 'None' }) +
        element('Rights', rights.map((right) => leaf('AccessRights', right)).join('')) +
        leaves({ KeyName: keyName, PrimaryKey: primaryKey, SecondaryKey: secondaryKey }),
      'i:type="SharedAccessAuthorizationRule"',
    ),
  );
  const messages = {
    'd2p1:ActiveMessageCount': counts.active,
    'd2p1:DeadLetterMessageCount': counts.deadLettered,
    'd2p1:ScheduledMessageCount': counts.scheduled,
    'd2p1:TransferMessageCount': 0,
    'd2p1:TransferDeadLetterMessageCount': 0,
  };
  const description =
    leaves({
      LockDuration: formatDuration(lockDuration),
      DefaultMessageTimeToLive: formatDuration(defaultMessageTimeToLive),
      SizeInBytes: queue.size,
      MessageCount: counts.active + counts.scheduled + counts.deadLettered,
      CreatedAt: iso(queue.created),
      UpdatedAt: iso(queue.updated),
      AccessedAt: iso(queue.accessed),
      ForwardDeadLetteredMessagesTo: target && `${base.replace(/^http/, 'sb')}/${target}`,
    }) +
    leaves(Object.fromEntries(Object.entries(others).map(([name, value]) => [pascal(name), value]))) +
    leaves(Object.fromEntries(Object.entries(fixedSettings).map(([name, [value]]) => [pascal(name), value || undefined]))) +
    element('AuthorizationRules', rules.join('')) +
    element('CountDetails', leaves(messages), COUNTS);
  return entry(`${base}/${queue.name}`, queue.name, queue.updated, element('QueueDescription', description, SERVICE_BUS));
}

export function namespaceEntry(base: string, name: string, created: number): string {
  const times = { CreatedTime: iso(created), ModifiedTime: iso(created) };
  const info = leaves({ ...times, MessagingSKU: 'Standard', Name: name, NamespaceType: 'Messaging' });
  return entry(`${base}/$namespaceinfo`, name, created, element('NamespaceInfo', info, SERVICE_BUS));
}

/** A list of entries; `next` is the address of the page that follows. */
export function feed(self: string, entries: readonly string[], next?: string): string {
  const link = (rel: string, href: string) => element('link', '', `rel="${rel}" href="${escapeXml(href)}"`);
  const links = link('self', self) + (next ? link('next', next) : '');
  return element('feed', leaves({ title: 'Queues', id: self, updated: iso(Date.now()) }) + links + entries.join(''), ATOM);
}

function entry(id: string, title: string, updated: number, content: string): string {
  const head = leaves({ id, title, published: iso(updated), updated: iso(updated) });
  return element('entry', head + element('content', content, 'type="application/xml"'), ATOM);
}

const leaves = (fields: Readonly<Record<string, string | number | boolean | undefined>>) =>
  Object.entries(fields)
    .map(([name, value]) => leaf(name, value))
    .join('');
const iso = (ms: number) => new Date(ms).toISOString();
