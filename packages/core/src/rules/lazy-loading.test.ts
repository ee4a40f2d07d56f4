import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { compileLaneGroups, parseLaneGroups } from './index.js';
import type { Matcher } from './types.js';

const { cache } = createRequire(__filename);

/** Which of the packages that cost start-up time are loaded once a document with this condition is in force. */
function loadedWith(match: Matcher): string[] {
  const parsed = parseLaneGroups({
    version: 1,
    groups: [{ name: 'shop', services: ['a'], entry: { services: ['a'] }, lanes: [{ name: 'gray', tag: 'gray', rules: [{ name: 'r', match }] }] }],
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  compileLaneGroups(parsed.document);
  const loaded = Object.keys(cache).map((file) => /[\\/](ajv|ipaddr\.js|re2js)(?:[\\/]|\.js$)/.exec(file)?.[1]);
  return [...new Set(loaded.filter((name) => name !== undefined))].toSorted();
}

test('loads a package only for documents that need it, and never a schema library', () => {
  expect(loadedWith({ any: [{ host: { exact: 'a' } }, { header: 'x', in: ['1'] }, { path: { prefix: '/a' } }] })).toEqual([]);
  expect(loadedWith({ clientIp: { in: ['10.0.0.0/8'] } })).toEqual(['ipaddr.js']);
  expect(loadedWith({ path: { regex: '^/a' } })).toEqual(['ipaddr.js', 're2js']);
});
