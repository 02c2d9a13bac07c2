// The little XML the administration API speaks: elements, attributes and text. Anything else (DOCTYPE, CDATA, unknown entities) is refused.

export interface Element {
  /** Without its namespace prefix. */
  readonly name: string;
  readonly children: Element[];
  text: string;
}

export class XmlError extends Error {}

const MOST_DEPTH = 16;
const named: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** @throws XmlError */
export function parseXml(source: string): Element {
  const top: Element = { name: '', children: [], text: '' };
  const open = [top];
  const token = /<\?xml[^<>]*\?>|<!--(?:(?!--)[\s\S])*-->|<(\/?)([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y;
  while (token.lastIndex < source.length) {
    const at = token.lastIndex;
    const match = token.exec(source);
    if (!match) throw new XmlError(`unexpected ${JSON.stringify(source.slice(at, at + 12))} at ${at}`);
    const [, closing, qualified, , empty, text] = match;
    const current = open.at(-1) ?? top;
    if (text !== undefined) current.text += plain(text);
    if (qualified === undefined) continue;
    const name = qualified.slice(qualified.indexOf(':') + 1);
    if (closing) {
      if (current === top || current.name !== name) throw new XmlError(`</${name}> closes nothing`);
      open.pop();
    } else {
      const element: Element = { name, children: [], text: '' };
      current.children.push(element);
      if (!empty) open.push(element);
      if (open.length > MOST_DEPTH) throw new XmlError('too deep');
    }
  }
  const [root, ...others] = top.children;
  if (!root || others.length > 0 || open.length > 1 || top.text.trim()) throw new XmlError('not one whole element');
  return root;
}

function plain(text: string): string {
  return text.replace(/&(?:#(\d{1,7});|#x([\da-f]{1,6});|(\w+);)?/gi, (whole, decimal?: string, hex?: string, name?: string) => {
    const code = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : undefined;
    const character = code === undefined ? named[name ?? ''] : code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
    if (character === undefined) throw new XmlError(`unknown entity ${whole}`);
    return character;
  });
}

export function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&${Object.keys(named).find((name) => named[name] === character)};`);
}

/** `<name attributes>content</name>`; `content` is XML already, `attributes` are constant text. */
export function element(name: string, content: string, attributes = ''): string {
  const start = attributes ? `${name} ${attributes}` : name;
  return content === '' ? `<${start} />` : `<${start}>${content}</${name}>`;
}

/** An element of text; nothing when there is none. */
export function leaf(name: string, text: string | number | boolean | undefined): string {
  return text === undefined ? '' : element(name, escapeXml(String(text)));
}
