/** The scenario's traffic through an entry gateway: the same assertions for each. */
import { expect, test } from 'vitest';
import { eventually } from '@lane/testing/eventually';
import { ask, type Got } from './entry.js';

/** Differences between gateways, which their exports report. */
export interface Abilities {
  /** Whether the client's other baggage stays beside ours. Default true. */
  readonly mergesBaggage?: boolean;
}

/** Adds the tests. */
export function scenario(port: () => number, { mergesBaggage = true }: Abilities = {}): void {
  const served = async (asked: Parameters<typeof ask>[1]): Promise<Got> => {
    const got = await eventually(async () => {
      const answer = await ask(port(), asked);
      if (answer === 503 || answer === 502) throw new Error(`answered ${answer}`);
      return answer;
    });
    expect(got).toBeTypeOf('object');
    return got as Got;
  };
  /** Entries of the baggage header, as a set: not every gateway keeps their order. */
  const baggageOf = ({ headers }: Got): string[] =>
    (headers.baggage === undefined ? [] : String(headers.baggage).split(','))
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '')
      .sort();

  test.each<[what: string, asked: Parameters<typeof ask>[1], lane: 'base' | 'gray']>([
    ['the host of base', { host: 'www.aliyundoc.com' }, 'base'],
    ['the host of gray', { host: 'www.example.com' }, 'gray'],
    ['the host of gray in capitals, with a port', { host: 'WWW.Example.com:80' }, 'gray'],
    ['a header that is listed, on the path', { host: 'www.aliyundoc.com', headers: { 'x-user': 'bob' } }, 'gray'],
    ['a header that is not listed', { host: 'www.aliyundoc.com', headers: { 'x-user': 'bobby' } }, 'base'],
    ['a header that is listed, on another path', { host: 'www.aliyundoc.com', path: '/b', headers: { 'x-user': 'bob' } }, 'base'],
    ['a cookie among others', { host: 'www.aliyundoc.com', headers: { cookie: 'a=b; release=gray; c=d' } }, 'gray'],
    ['a cookie of another value', { host: 'www.aliyundoc.com', headers: { cookie: 'release=grayish' } }, 'base'],
    ['a cookie whose name ends the same', { host: 'www.aliyundoc.com', headers: { cookie: 'prerelease=gray' } }, 'base'],
  ])('%s', async (_what, asked, lane) => {
    const got = await served(asked);
    expect([got.name, baggageOf(got)]).toEqual([lane, lane === 'gray' ? ['lane=gray'] : []]);
    expect(got.url).toBe(asked.path ?? '/a');
  });

  test('half of the requests for a host enter the lane, and each has the tag of the lane that serves it', async () => {
    let gray = 0;
    for (let i = 0; i < 200; i++) {
      const got = await served({ host: 'half.example.com' });
      expect(baggageOf(got)).toEqual(got.name === 'gray' ? ['lane=gray'] : []);
      if (got.name === 'gray') gray++;
    }
    // Expect 100; these limits are missed by chance less than once in a billion runs.
    expect(gray).toBeGreaterThan(55);
    expect(gray).toBeLessThan(145);
  });

  test.each([
    ['lane=gray', []],
    ['lane=gray,user=42', ['user=42']],
    ['user=42, lane = gray;p=1 ,x-mse-gray-tag=gray,city=x', ['city=x', 'user=42']],
    ['lane=gray,lane=gray,lane=gray,lane=gray,lane=gray,lane=gray', []],
    // Services would read these as our key: each decodes and trims keys in its own way.
    ['user=42,l%61ne=gray', ['user=42']],
    [';lane=gray, lane ;=gray,user=4%32', ['user=4%32']],
    ['+lane=gray,user=42,lane%20=gray', ['user=42']],
    ['\u00a0lane=gray,user=42', ['user=42']],
    // Services in Ruby, Rust, Erlang and C++ turn these into a member with our key, or release one.
    ['la ne=gray,user=42', ['user=42']],
    ['user=42,x=1;p%2Clane%3Dgray, y = a%3bp%2Clane%3Dgray', ['user=42']],
    ['x=1;q;p%%32Clane=gray,y=%253B,z=%%33b,user=4%32;p=1', ['user=4%32;p=1']],
    ['airplane=gray', ['airplane=gray']],
  ])('a client that forges its lane (%s) stays in base, and the lane does not get through', async (baggage, rest) => {
    const got = await served({ host: 'www.aliyundoc.com', headers: { baggage, 'x-mse-tag': 'gray', 'x-asm-prefer-tag': 'gray' } });
    expect(got.name).toBe('base');
    expect(baggageOf(got)).toEqual(mergesBaggage ? rest : []);
    expect(got.headers).not.toHaveProperty('x-mse-tag');
    expect(got.headers).not.toHaveProperty('x-asm-prefer-tag');
  });

  test('a lane that a client forges in a second line of baggage does not get through either', async () => {
    const got = await served({ host: 'www.aliyundoc.com', headers: { baggage: ['user=42', 'lane=gray'] } });
    expect([got.name, baggageOf(got)]).toEqual(['base', mergesBaggage ? ['user=42'] : []]);
  });

  test('the client’s other baggage is kept beside the tag, its own lane is not', async () => {
    const got = await served({ headers: { baggage: 'user=42,lane=blue' } });
    expect(baggageOf(got)).toEqual(mergesBaggage ? ['lane=gray', 'user=42'] : ['lane=gray']);
  });
}
