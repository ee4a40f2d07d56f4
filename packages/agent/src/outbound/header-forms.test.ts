import { createTagCodec, laneContext, writeLane, type HeaderLines } from '@lane/core/model';
import { describe, expect, test } from 'vitest';
import { ArrayHeaders, copyHeaders } from './header-forms.js';

const codec = createTagCodec({ formats: ['baggage', 'dubbo'], formatsIn: ['baggage', 'dubbo'], baggageKey: 'lane' });
const GRAY = laneContext('gray');
const BASE = laneContext(undefined);

function written(headers: unknown, context = GRAY): unknown {
  const copy = copyHeaders(headers);
  writeLane(context, codec, copy);
  return copy.toHeaders();
}

describe.each<[form: string, make: (pairs: Array<[string, HeaderLines]>) => unknown]>([
  ['an object', (pairs) => Object.fromEntries(pairs)],
  ['a flat array', (pairs) => pairs.flat()],
  ['pairs', (pairs) => pairs],
  ['a Map', (pairs) => new Map(pairs)],
])('headers in %s', (form, make) => {
  const values = (headers: unknown): Record<string, string[]> => {
    const all: Record<string, string[]> = {};
    const add = (name: string, value: unknown): void => void (all[name.toLowerCase()] ??= []).push(...[value as string].flat());
    if (!Array.isArray(headers)) for (const [name, value] of Object.entries(headers as object)) add(name, value);
    else if (Array.isArray(headers[0])) for (const [name, value] of headers as Array<[string, unknown]>) add(name, value);
    else for (let i = 0; i < headers.length; i += 2) add(headers[i] as string, headers[i + 1]);
    return all;
  };

  test('get the tag in each format', () => {
    expect(values(written(make([['Accept', '*/*']])))).toEqual({ accept: ['*/*'], baggage: ['lane=gray'], 'dubbo.tag': ['gray'] });
  });

  test("keep the app's baggage on one line, without an older entry of ours", () => {
    expect(values(written(make([['Baggage', 'a=1;p, lane=stale,b=%20']])))['baggage']).toEqual(['lane=gray,a=1;p,b=%20']);
    if (form !== 'a Map') expect(values(written(make([['baggage', ['a=1', 'b=2']]])))['baggage']).toEqual(['lane=gray,a=1,b=2']);
  });

  test('of an explicit base request lose our entries, and nothing else', () => {
    const headers = make([
      ['Dubbo.Tag', 'gray'],
      ['Baggage', 'lane=gray,a=1'],
      ['accept', '*/*'],
    ]);
    expect(values(written(headers, BASE))).toEqual({ baggage: ['a=1'], accept: ['*/*'] });
    expect(values(written(make([['baggage', 'lane=gray']]), BASE))).toEqual({});
    expect(values(written(make([['baggage', 'a=1 , b=2']]), BASE))).toEqual({ baggage: ['a=1 , b=2'] });
  });

  test('stay the app’s own', () => {
    const pairs: Array<[string, HeaderLines]> = [
      ['Baggage', 'a=1'],
      ['dubbo.tag', 'old'],
    ];
    const headers = make(pairs);
    const before = JSON.stringify(headers instanceof Map ? [...headers] : headers);
    written(headers);
    written(headers, BASE);
    expect(JSON.stringify(headers instanceof Map ? [...headers] : headers)).toBe(before);
  });
});

test.each([undefined, null, {}, []])('no headers (%j) become those of the lane', (headers) => {
  expect([written(headers)].flat()).toEqual(
    Array.isArray(headers) ? ['baggage', 'lane=gray', 'dubbo.tag', 'gray'] : [{ baggage: 'lane=gray', 'dubbo.tag': 'gray' }],
  );
});

test('several lines with one name in an array become one when set, in place of the first', () => {
  const headers = new ArrayHeaders(['Baggage', 'a=1', 'Accept', '*/*', 'baggage', 'b=2']);
  expect(headers.get('baggage')).toEqual(['a=1', 'b=2']);
  headers.set('baggage', 'c=3');
  expect(headers.toArray()).toEqual(['Baggage', 'c=3', 'Accept', '*/*']);
  headers.remove('accept');
  expect(headers.toArray()).toEqual(['Baggage', 'c=3']);
});
