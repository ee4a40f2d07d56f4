import { expect, test } from 'vitest';
import { takingRules, tellTaking } from './order.js';
import type { EntryRule, Lane, LaneGroup } from './types.js';

const lane = (name: string, ...rules: EntryRule[]): Lane => ({ name, tag: name, rules });
const group = (...lanes: Lane[]): LaneGroup => ({ name: 'shop', services: ['a'], entry: { services: ['edge'] }, lanes });
const taken = (...groups: LaneGroup[]): string[] =>
  takingRules({ version: 1, groups }).map(({ taker, robbed, percent }) => `${taker} ${percent} ${robbed}`);

const share: EntryRule = { name: 'share', percent: 30 };
const byHeader: EntryRule = { name: 'header', match: { header: 'x-lane', exact: 'blue' } };

test.each<[what: string, lanes: Lane[], expected: string[]]>([
  [
    'an earlier share takes of a later lane that is asked for',
    [lane('gray', share), lane('blue', byHeader)],
    ['shop/gray/share 30 shop/blue/header'],
  ],
  ['the other way round it takes nothing', [lane('blue', byHeader), lane('gray', share)], []],
  ['of its own lane it takes nothing', [lane('gray', share, byHeader)], []],
  ['a lane that is off takes nothing', [{ ...lane('gray', share), enabled: false }, lane('blue', byHeader)], []],
  ['a share of certain requests is not compared', [lane('gray', { ...share, match: { path: { prefix: '/a' } } }), lane('blue', byHeader)], []],
  ['a share of 0 takes nothing', [lane('gray', { ...share, percent: 0 }), lane('blue', byHeader)], []],
  ['what is a share itself asks for nobody', [lane('gray', share), lane('blue', { ...share, name: 'too' })], []],
  ['lanes of one tag are one', [lane('gray', share), { ...lane('other', byHeader), tag: 'gray' }], []],
])('%s', (_, lanes, expected) => {
  expect(taken(group(...lanes))).toEqual(expected);
});

test('groups of one entry are compared, those of others not', () => {
  const other = { ...group(lane('blue', byHeader)), name: 'pay' };
  expect(taken(group(lane('gray', share)), other)).toEqual(['shop/gray/share 30 pay/blue/header']);
  expect(taken(group(lane('gray', share)), { ...other, entry: { services: ['another'] } })).toEqual([]);
});

test('reports it with the remedy', () => {
  const [found] = takingRules({ version: 1, groups: [group(lane('gray', share), lane('blue', byHeader))] });
  expect(found && tellTaking(found)).toBe(
    'rule shop/gray/share takes 30 % of all requests, and is asked before rule shop/blue/header: that share of its requests goes to lane shop/gray. Put lane shop/blue before lane shop/gray',
  );
});
