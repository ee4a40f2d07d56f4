import { rulesOf } from '@lane/testing';
import { requestView, type LaneRules } from '@lane/core/rules';
import { currentLane, enterContext, laneContext, REQUEST_MARK, writeLane } from '@lane/core/model';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createLog } from './log.js';
import { readOptions } from './options.js';
import type { Marked, RequestSource } from '../inbound/request-lanes.js';
import { Runtime } from './runtime.js';

const done = (): Promise<void> => Promise.resolve();
const runtimeOf = (environment: Record<string, string> = {}, log = createLog('silent', false)): Runtime =>
  new Runtime(readOptions(environment, '/nowhere').options, log);
// The background lane is the process's.
afterEach(() => void runtimeOf());

type InboundRequest = Marked & { readonly headers: Record<string, string>; readonly rawHeaders: readonly string[]; readonly from: string };
const requestOf = (headers: Record<string, string> = {}, from = '10.0.0.9'): InboundRequest => ({
  headers,
  rawHeaders: Object.entries(headers).flat(),
  from,
});
const SOURCE: RequestSource<InboundRequest> = {
  remoteAddress: ({ from }) => from,
  view: ({ headers, from }) => requestView({ method: 'GET', url: '/', headers, clientIp: from }),
};
const UNTOUCHED: RequestSource<InboundRequest> = {
  remoteAddress: () => expect.unreachable('nobody asked for that'),
  view: () => expect.unreachable('nobody asked for that'),
};
const contextOf = (runtime: Runtime, request: InboundRequest, source = SOURCE): ReturnType<Runtime['requests']['contextOf']> =>
  runtime.requests.contextOf(request, request.rawHeaders, request, source);
const decided = (runtime: Runtime, headers?: Record<string, string>, from?: string): unknown[] => {
  const request = requestOf(headers, from);
  const context = contextOf(runtime, request);
  return [context === undefined ? 'as it is' : (context.tag ?? 'base'), request[REQUEST_MARK]?.source];
};

const shop = (enabled = true): LaneRules =>
  rulesOf({
    version: 1,
    groups: [
      {
        name: 'shop',
        services: ['shop-a', 'shop-b'],
        entry: { services: ['shop-a'] },
        lanes: [{ name: 'gray', tag: 'gray', enabled, rules: [{ name: 'alice', match: { header: 'x-user', exact: 'alice' } }] }],
      },
    ],
  });

describe('an inbound request', () => {
  test('has the tag it carries; without one it is left unchanged, and nothing else is read', () => {
    const runtime = runtimeOf();
    expect(decided(runtime, { baggage: 'a=1,lane=gray' })).toEqual(['gray', 'inbound']);
    expect(decided(runtime)).toEqual(['as it is', 'none']);
    expect(decided(runtime, { baggage: 'lane=not%20a%20tag' })).toEqual(['as it is', 'none']);
    expect(() => contextOf(runtime, requestOf(), UNTOUCHED)).not.toThrow();
  });

  test('that the plugin or an outer server has decided is not decided again', () => {
    const runtime = runtimeOf();
    const request = { ...requestOf({ baggage: 'lane=blue' }), [REQUEST_MARK]: { tag: 'gray', source: 'rule' } } as never;
    expect(contextOf(runtime, request, UNTOUCHED)).toBe(laneContext('gray'));
  });

  test.each([
    ['all', '8.8.8.8', ['gray', 'inbound']],
    ['none', '127.0.0.1', ['base', 'none']],
    ['10.0.0.0/8', '10.2.3.4', ['gray', 'inbound']],
    ['10.0.0.0/8', '::ffff:10.2.3.4', ['gray', 'inbound']],
    ['10.0.0.0/8', '192.168.0.1', ['base', 'none']],
  ])('LANE_TRUST=%s, from %s: %j', (LANE_TRUST, from, expected) => {
    const runtime = runtimeOf({ LANE_TRUST });
    // Twice: the answer for an address is remembered.
    for (let i = 0; i < 2; i++) expect(decided(runtime, { baggage: 'lane=gray' }, from)).toEqual(expected);
  });

  test('that is not trusted is explicitly base, however its tag is spelled, so that nothing of it is forwarded', () => {
    const runtime = runtimeOf({ LANE_TRUST: 'none', LANE_FORMATS: 'baggage,polaris' });
    for (const headers of [
      { baggage: '%6cane=gray' },
      { baggage: 'a=1,\u00a0lane=gray' },
      { baggage: '+lane=gray' },
      { 'service-lane': 'shop%2Fgray' },
    ] as Array<Record<string, string>>) {
      expect(decided(runtime, headers)).toEqual(['base', 'none']);
      const left = new Map(Object.entries(headers));
      writeLane(laneContext(undefined), runtime.codec, {
        get: (name) => left.get(name),
        set: (name, value) => left.set(name, value),
        remove: (name) => left.delete(name),
      });
      expect([...left]).toEqual(headers['baggage']?.startsWith('a=1') === true ? [['baggage', 'a=1']] : []);
    }
  });

  test('to an instance that stamps gets the tag of the instance, unless it has one', () => {
    const runtime = runtimeOf({ LANE_TAG: 'gray', LANE_STAMP: 'true' });
    expect(decided(runtime)).toEqual(['gray', 'stamp']);
    expect(decided(runtime, { baggage: 'lane=blue' })).toEqual(['blue', 'inbound']);
  });

  test('without a tag, to a tagged instance, is explicitly base', () => {
    expect(decided(runtimeOf({ LANE_TAG: 'gray' }))).toEqual(['base', 'none']);
    expect(decided(runtimeOf({ LANE_TAG: 'gray', LANE_BACKGROUND: 'base' }))).toEqual(['as it is', 'none']);
  });

  test('without a tag, within a surrounding lane, is explicitly base', () => {
    const runtime = runtimeOf();
    enterContext(laneContext('around'), () => expect(decided(runtime)).toEqual(['base', 'none']), undefined, []);
  });
});

describe('lane groups', () => {
  test('put matching requests of an entry service into a lane, and no others', () => {
    const entry = runtimeOf({ LANE_SERVICE: 'shop-a' });
    const inner = runtimeOf({ LANE_SERVICE: 'shop-b' });
    for (const runtime of [entry, inner]) runtime.setRules(shop());
    expect(decided(entry, { 'x-user': 'alice' })).toEqual(['gray', 'rule']);
    expect(decided(entry, { 'x-user': 'bob' })).toEqual(['as it is', 'none']);
    expect(decided(entry, { 'x-user': 'alice', baggage: 'lane=blue' })).toEqual(['blue', 'inbound']);
    expect(decided(inner, { 'x-user': 'alice' })).toEqual(['as it is', 'none']);
  });

  test('with LANE_NEAR: an app that registers without a place gets one line that it has no effect', () => {
    const lines: string[] = [];
    const log = createLog('warn', false, (line) => lines.push(line));
    const runtime = runtimeOf({ LANE_NEAR: 'zone' }, log);
    const register = (metadata: Record<string, string>): void => {
      const key = { name: 'shop-a', group: 'DEFAULT_GROUP' };
      runtime.registered(key, metadata, { service: 'shop-a', key, address: '10.0.0.1:80', announceLeave: done, withdraw: done });
    };
    for (let i = 0; i < 2; i++) register({});
    expect(lines).toEqual([expect.stringMatching(/^lane warn: LANE_NEAR=zone.* Set LANE_ZONE/)]);
    register({ zone: 'a' });
    expect(runtime.tables.place).toMatchObject({ zone: 'a' });
    // What is known stays known.
    register({});
    expect(runtime.tables.place).toMatchObject({ zone: 'a' });
  });

  test('know the service by its registered name', () => {
    const runtime = runtimeOf();
    const register = (service: string): void => {
      const key = { name: service, group: 'DEFAULT_GROUP' };
      runtime.registered(key, {}, { service, key, address: '10.0.0.1:80', announceLeave: done, withdraw: done });
    };
    runtime.setRules(shop());
    expect(decided(runtime, { 'x-user': 'alice' })[0]).toBe('as it is');
    register('shop-a');
    expect(decided(runtime, { 'x-user': 'alice' })).toEqual(['gray', 'rule']);
    register('shop-b');
    expect(runtime.own.name).toBe('shop-a');
  });

  test('that disable a lane remove its tag from requests, stamps and background work, until it is enabled again', () => {
    const runtime = runtimeOf({ LANE_TAG: 'gray', LANE_STAMP: 'true' });
    for (const enabled of [true, false, true]) {
      runtime.setRules(shop(enabled));
      expect(decided(runtime, { baggage: 'lane=gray' })[0]).toBe(enabled ? 'gray' : 'base');
      expect(decided(runtime)[0]).toBe(enabled ? 'gray' : 'as it is');
      expect(currentLane()).toBe(enabled ? 'gray' : undefined);
    }
  });

  test('make their services callable by name, in any case, in addition to those of LANE_SERVICES', () => {
    const runtime = runtimeOf({ LANE_SERVICES: 'pay.internal=Shop-Pay' });
    runtime.tables.update({ name: 'shop-b', group: 'DEFAULT_GROUP' }, [
      { ip: '10.0.0.1', port: 80, weight: 1, healthy: true, enabled: true, metadata: {} } as never,
    ]);
    const kindOf = (host: string): string => runtime.router.judge(host, 80, undefined).kind;
    expect(kindOf('shop-b')).toBe('unknown');
    runtime.setRules(shop());
    expect(runtime.router.judge('shop-b', 80, undefined)).toMatchObject({ kind: 'redirect', byName: true, instance: { ip: '10.0.0.1' } });
    runtime.tables.update({ name: 'Shop-Pay', group: 'DEFAULT_GROUP' }, []);
    expect(runtime.router.judge('pay.internal', 80, undefined)).toMatchObject({ kind: 'unavailable', service: { name: 'Shop-Pay' } });
  });

  test('that drop a service keep its name callable, as long as the registry has it', () => {
    const runtime = runtimeOf({ LANE_REGISTRY_HOLD: 'off' });
    const key = { name: 'shop-b', group: 'DEFAULT_GROUP' };
    const kindOf = (host: string): string => runtime.router.judge(host, 80, undefined).kind;
    runtime.setRules(shop());
    runtime.tables.update(key, [{ ip: '10.0.0.1', port: 80, weight: 1, healthy: true, enabled: true, metadata: {} }]);
    runtime.setRules(undefined);
    expect(kindOf('shop-b')).toBe('redirect');
    expect(kindOf('shop-a')).toBe('unknown');
    runtime.tables.update(key, []);
    expect(kindOf('shop-b')).toBe('unknown');
  });
});

test('an exception in a timer of the tables does not reach the app', () => {
  vi.useFakeTimers();
  try {
    const { tables } = runtimeOf();
    const key = { name: 'stock', group: 'DEFAULT_GROUP' };
    const at = (port: number): Parameters<typeof tables.update>[1][number] => ({
      ip: '10.0.0.1',
      port,
      weight: 1,
      healthy: true,
      enabled: true,
      metadata: {},
    });
    tables.update(key, [at(1), at(2)]);
    for (let i = 0; i < 10; i++) tables.refused(key, '10.0.0.1', 1);
    expect(tables.route(key, undefined)?.instances).toEqual([at(2)]);
    let told = 0;
    tables.onChange(() => {
      told++;
      throw new Error('a defect of ours');
    });
    // The refusal is over.
    vi.advanceTimersByTime(120_000);
    expect(told).toBe(1);
    expect(tables.route(key, undefined)?.instances).toHaveLength(2);
  } finally {
    vi.useRealTimers();
  }
});
