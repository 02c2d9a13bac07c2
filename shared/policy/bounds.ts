// How large and how deep a policy may be. The engine reads and evaluates by recursion on a stack of 1 MB, and running off its end spoils the engine
// for every tenant of the process (measured: 117 brackets in one another, 343 terms of a sum, 3,000 of a conjunction). So a text is measured before
// the engine sees it. The bounds of all kinds together stay within half of that stack.

import type { TextFault } from '../errors/problem.ts';

/** One policy text, in UTF-8. */
export const maxPolicyBytes = 8_192;
/** All texts of a tenant together. */
export const maxTenantBytes = 131_072;
/** `permit` and `forbid` statements of a tenant, over all its texts. */
export const maxTenantStatements = 200;

const maxBrackets = 20;
/** Of opening brackets and `+ - * . :: if` in one statement, each of which may stand inside the one before. */
const maxLinks = 150;
/** Of `&&` and `||` in one statement. */
const maxConjunctions = 100;

const links = new Set(['(', '[', '{', '+', '-', '*', '.', '::', 'if']);

/** Cedar's tokens as far as they matter here: comments and strings are passed over as its lexer does. */
const tokens = /\/\/[^\r\n]*|"(?:\\.|[^"\\])*"|&&|\|\||::|[A-Za-z_]\w*|./gsu;

/** What makes the text too deep for the engine, if anything. */
export function faultOfDepth(text: string): TextFault | undefined {
  let depth = 0;
  let found = 0;
  let conjunctions = 0;
  for (const { 0: token, index } of text.matchAll(tokens)) {
    const fault = (message: string) => ({ ...placeOf(text, index), message });
    if (token === '(' || token === '[' || token === '{') depth++;
    // One too many closes nothing: it must not make room for one too many that opens.
    if (token === ')' || token === ']' || token === '}') depth = Math.max(0, depth - 1);
    if (token === ';' && depth === 0) [found, conjunctions] = [0, 0];
    if (token === '&&' || token === '||') conjunctions++;
    if (links.has(token)) found++;
    if (token === '"') return fault('this string does not end');
    if (depth > maxBrackets) return fault(`brackets may be ${maxBrackets} deep`);
    if (conjunctions > maxConjunctions) return fault(`a statement may hold ${maxConjunctions} of && and ||`);
    if (found > maxLinks) return fault(`a statement may hold ${maxLinks} of ${[...links].join(' ')}`);
  }
  return undefined;
}

/** The place of a character of the text, counted as editors do. */
export function placeOf(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: [...before.slice(lineStart)].length + 1 };
}
