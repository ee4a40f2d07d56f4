import { describe, expect, test } from 'vitest';
import type { EntryMatch, LaneRules, RequestView } from './types.js';
import { decideRequestTag, type RequestTag, type RequestTagRules } from './request-tag.js';

const view: RequestView = {
  host: 'a',
  path: '/',
  method: 'GET',
  header: () => undefined,
  cookie: () => undefined,
  query: () => undefined,
  clientIp: undefined,
};
const gray: EntryMatch = { group: 'shop', lane: 'gray-lane', tag: 'gray', fallback: undefined, rule: 'staff' };

const disabling = (...tags: string[]): LaneRules => ({
  document: { version: 1, groups: [] },
  services: new Set(),
  polarisLabelsOf: () => [],
  groupOf: () => undefined,
  wireOf: () => undefined,
  tagOfPolaris: () => undefined,
  baseModeOf: () => undefined,
  isDisabledTag: (tag) => tags.includes(tag),
  laneOf: () => undefined,
  entryOf: () => undefined,
});
const using = (changes: Partial<RequestTagRules>): RequestTagRules => ({
  rules: undefined,
  entry: undefined,
  stamp: undefined,
  random: Math.random,
  ...changes,
});
const matching = (match: EntryMatch | undefined): Partial<RequestTagRules> => ({ entry: { match: () => match } });

const random = (): number => 0.5;
const none: RequestTag = { tag: undefined, source: 'none' };

describe('decideRequestTag', () => {
  test.each<[what: string, inbound: string | undefined, using: Partial<RequestTagRules>, decided: RequestTag]>([
    ['nothing', undefined, {}, none],
    ['an inbound tag', 'blue', {}, { tag: 'blue', source: 'inbound' }],
    ['an inbound tag before rule and stamp', 'blue', { ...matching(gray), stamp: 'own', rules: disabling() }, { tag: 'blue', source: 'inbound' }],
    ['a rule before the stamp', undefined, { ...matching(gray), stamp: 'own' }, { tag: 'gray', source: 'rule', rule: 'shop/gray-lane/staff' }],
    ['no rule that matches, the stamp', undefined, { ...matching(undefined), stamp: 'own' }, { tag: 'own', source: 'stamp' }],
    ['no rule that matches, no stamp', undefined, matching(undefined), none],
    [
      'a disabled inbound tag, a rule',
      'blue',
      { ...matching(gray), rules: disabling('blue') },
      { tag: 'gray', source: 'rule', rule: 'shop/gray-lane/staff' },
    ],
    ['a disabled inbound tag, the stamp', 'blue', { stamp: 'own', rules: disabling('blue') }, { tag: 'own', source: 'stamp' }],
    ['a disabled inbound tag alone', 'blue', { rules: disabling('blue') }, none],
    ['a disabled stamp', undefined, { stamp: 'own', rules: disabling('own') }, none],
    ['another tag disabled', 'blue', { rules: disabling('gray') }, { tag: 'blue', source: 'inbound' }],
  ])('%s', (_, inbound, changes, decided) => {
    expect(decideRequestTag(inbound, () => view, using(changes))).toEqual(decided);
  });

  test('only entry rules examine the request, and only if no inbound tag decides', () => {
    const looked: RequestView[] = [];
    const look = (): RequestView => {
      looked.push(view);
      return view;
    };
    decideRequestTag(undefined, look, using({ stamp: 'own', rules: disabling() }));
    decideRequestTag('blue', look, using(matching(gray)));
    expect(looked).toEqual([]);
    decideRequestTag(undefined, look, using(matching(gray)));
    expect(looked).toEqual([view]);
  });

  test('entry rules get the request and the source of chance', () => {
    const got: unknown[] = [];
    decideRequestTag(undefined, () => view, {
      ...using({ random }),
      entry: {
        match: (...args) => {
          got.push(...args);
          return undefined;
        },
      },
    });
    expect(got).toEqual([view, random]);
  });
});
