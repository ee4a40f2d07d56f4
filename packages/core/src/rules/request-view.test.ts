import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hostName, requestView, type RequestLike } from './request-view.js';

const view = (given: Partial<RequestLike>): ReturnType<typeof requestView> =>
  requestView({ method: 'GET', url: '/', headers: {}, clientIp: undefined, ...given });

describe('a host', () => {
  test.each([
    ['www.example.com', 'www.example.com'],
    ['WWW.Example.COM', 'www.example.com'],
    ['www.example.com:8080', 'www.example.com'],
    [' www.example.com ', 'www.example.com'],
    ['[::1]:8080', '::1'],
    ['[2001:DB8::1]', '2001:db8::1'],
    ['[::1', '::1'],
    ['::1', '::1'],
    ['127.0.0.1:80', '127.0.0.1'],
    ['', ''],
    [':80', ''],
  ])('of the header %j is %j', (header, host) => {
    expect(hostName(header)).toBe(host);
    expect(view({ headers: { host: header } }).host).toBe(host);
  });

  test('is empty without a header', () => expect(view({}).host).toBe(''));
  test('is that of the target, if it has one', () => {
    expect(view({ url: 'http://User:x@A.example:80/p', headers: { host: 'b.example' } }).host).toBe('a.example');
    expect(view({ headers: { ':authority': 'A.example', host: 'b.example' } }).host).toBe('a.example');
  });
});

describe('a target', () => {
  test.each<[url: string, path: string, q: string | undefined]>([
    ['/', '/', undefined],
    ['/a/b', '/a/b', undefined],
    ['/a?q=1', '/a', '1'],
    ['/a?', '/a', undefined],
    ['/a?q', '/a', ''],
    ['/a?q=', '/a', ''],
    ['/a?q=1&q=2', '/a', '1'],
    ['/a?p=q&q=a%20b', '/a', 'a b'],
    ['/a?q=a+b', '/a', 'a b'],
    ['/a?q=%zz', '/a', '%zz'],
    ['/a?q=1?2', '/a', '1?2'],
    ['/a%2Fb', '/a%2Fb', undefined],
    ['//a/b', '//a/b', undefined],
    ['/a?to=http://b/c&q=1', '/a', '1'],
    ['a?to=http://b/c&q=1', 'a', '1'],
    ['http://h', '/', undefined],
    ['http://h/a?q=1', '/a', '1'],
    ['http://h?q=/1', '/', '/1'],
    ['HTTPS://h:8443/a/b', '/a/b', undefined],
    ['*', '*', undefined],
    ['', '/', undefined],
  ])('%j has the path %j, and q is %j', (url, path, q) => {
    expect([view({ url }).path, view({ url }).query('q')]).toEqual([path, q]);
  });
});

describe('a header', () => {
  const headers = { 'x-user': 'alice', empty: '', 'set-cookie': ['a=1', 'b=2'] };

  test.each([
    ['x-user', 'alice'],
    ['empty', ''],
    ['set-cookie', 'a=1, b=2'],
    ['absent', undefined],
    // What all objects have is no header.
    ['constructor', undefined],
    ['__proto__', undefined],
  ])('%s is %j', (name, value) => expect(view({ headers }).header(name)).toBe(value));
});

describe('a cookie', () => {
  test.each<[header: string | readonly string[], name: string, value: string | undefined]>([
    ['uid=alice', 'uid', 'alice'],
    ['a=1; uid=alice; b=2', 'uid', 'alice'],
    ['a=1;uid=alice', 'uid', 'alice'],
    ['uid=1; uid=2', 'uid', '1'],
    ['uid="a b"', 'uid', 'a b'],
    ['uid=a%20b', 'uid', 'a b'],
    ['uid=100%', 'uid', '100%'],
    ['uid=a=b==', 'uid', 'a=b=='],
    ['uid=', 'uid', ''],
    ['uid', 'uid', undefined],
    ['=x; uid=1', 'uid', '1'],
    ['=x', '', undefined],
    ['UID=1', 'uid', undefined],
    ['xuid=1', 'uid', undefined],
    [['a=1', 'uid=2'], 'uid', '2'],
    ['a=1', 'constructor', undefined],
    ['', 'uid', undefined],
  ])('of %j named %j is %j', (cookie, name, value) => expect(view({ headers: { cookie } }).cookie(name)).toBe(value));
});

test('all of 256 parameters and cookies count, of more only the first', () => {
  const pairs = (separator: string): string => Array.from({ length: 1_200 }, (_, i) => `n${i}=${i}`).join(separator);
  const request = view({ url: `/?${pairs('&')}`, headers: { cookie: pairs('; ') } });
  for (const read of [(name: string) => request.query(name), (name: string) => request.cookie(name)])
    expect(['n0', 'n254', 'n255', 'n256', 'n1199'].map(read)).toEqual(['0', '254', '255', undefined, undefined]);
});

test('a cookie is decoded as decodeURIComponent does, or taken as it is', () => {
  const byte = fc.integer({ min: 0, max: 255 }).map((value) => `%${value.toString(16).padStart(2, '0')}`);
  const escaped = fc
    .string({ unit: 'binary' })
    .map((text) => [...Buffer.from(text)].map((value) => `%${value.toString(16).padStart(2, '0')}`).join(''));
  const part = fc.oneof(
    byte,
    escaped,
    fc.constantFrom('%', '%4', '%g0', 'a', '%C3', '%a9', '%ED%a0%80', '%f4%8f%bf%bf', '%F4%90%80%80', '%c0%80', '%e0%9f%bf'),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const text = parts.join('');
      let expected = text;
      try {
        expected = decodeURIComponent(text);
      } catch {
        // As it is.
      }
      expect(view({ headers: { cookie: `c=${text}` } }).cookie('c')).toBe(expected);
    }),
    { numRuns: 2_000 },
  );
});

test('headers, cookies and query are read on demand, and parsed once', () => {
  const read: string[] = [];
  const headers = new Proxy<Record<string, string>>(
    { host: 'a', cookie: 'uid=1; b=2', 'x-user': 'alice' },
    {
      get(target, name: string) {
        read.push(name);
        return target[name];
      },
    },
  );
  const request = view({ headers, url: '/a?b=c', method: 'PUT', clientIp: '10.0.0.1' });
  expect([request.method, request.clientIp, request.path, request.query('b')]).toEqual(['PUT', '10.0.0.1', '/a', 'c']);
  expect(read).toEqual([]);
  expect([request.cookie('uid'), request.cookie('b'), request.cookie('c')]).toEqual(['1', '2', undefined]);
  expect([request.host, request.host]).toEqual(['a', 'a']);
  expect(read).toEqual(['cookie', 'host']);
});
