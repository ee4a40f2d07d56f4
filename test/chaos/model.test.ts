/**
 * A model of a service, its registry, and one caller: long histories of instances that come, leave and die, of a registry that restarts,
 * forgets and answers by mistake, of pushes that are lost, late and out of order, and of lane groups that change; each request's way is
 * held against the plain truth, which the caller can't see. Time is simulated: nothing sleeps.
 *
 * 10,000 histories here; more by LANE_MODEL_HISTORIES. What fails is shrunk and printed: make it a test of its own below.
 */
import { createRouter, DEFAULT_FORMATS, ServiceTables, type Instance } from '@lane/core/model';
import { compileLaneGroups, parseLaneGroups, type LaneRules } from '@lane/core/rules';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ManualClock } from '@lane/testing';

const HISTORIES = Number(process.env['LANE_MODEL_HISTORIES'] ?? 10_000);
const KEY = { name: 'stock', group: 'DEFAULT_GROUP' };
const BEAT_MS = 5_000;
const UNHEALTHY_MS = 15_000;
const GONE_MS = 30_000;
const POLL_MS = 10_000;
const HOLD_MS = 40_000;
/** The longest that an instance is left alone which refused connections; or that a list out of order counts. */
const FORGIVEN_MS = 61_000;
const STALE_MS = POLL_MS + 1_000;

const LANES = [undefined, undefined, undefined, 'gray', 'gray', 'blue'] as const;
type Tag = (typeof LANES)[number];

function rulesOf(isGrayOn: boolean): LaneRules {
  const lanes = [
    { name: 'gray', tag: 'gray', enabled: isGrayOn },
    { name: 'blue', tag: 'blue' },
  ];
  const parsed = parseLaneGroups(JSON.stringify({ version: 1, groups: [{ name: 'shop', services: ['stock'], lanes }] }));
  if (!parsed.ok) throw new Error('no lane groups');
  return compileLaneGroups(parsed.document);
}
const RULES = { on: rulesOf(true), off: rulesOf(false) };

/** What a registry may answer by mistake, for less time than its clients take to register anew. */
const MISTAKES: Readonly<Record<string, (list: Instance[]) => Instance[]>> = {
  empty: () => [],
  'without gray': (list) => list.filter(({ metadata }) => metadata['lane'] !== 'gray'),
  'without base': (list) => list.filter(({ metadata }) => metadata['lane'] !== undefined),
  'all unhealthy': (list) => list.map((instance) => ({ ...instance, healthy: false })),
  'all disabled': (list) => list.map((instance) => ({ ...instance, enabled: false })),
};

interface Process {
  readonly tag: Tag;
  isUp: boolean;
  /** When it was down last, or came. */
  downAtMs: number;
  /** Whether the caller has been told of it since it came. */
  isKnown: boolean;
}

class World {
  readonly clock = new ManualClock();
  readonly tables = new ServiceTables({ formats: DEFAULT_FORMATS, holdMs: () => HOLD_MS, clock: this.clock });
  readonly router = createRouter(this.tables, { isEmpty: false, find: () => KEY, isInternal: () => true }, () => undefined);
  readonly processes: Process[] = LANES.map((tag) => ({ tag, isUp: true, downAtMs: -Infinity, isKnown: false }));
  readonly beats = new Map<number, number>();
  readonly earlier: Instance[][] = [];
  isReachable = true;
  isGrayOn = true;
  mistake: { readonly how: string; readonly untilMs: number } | undefined;
  deafUntilMs = -Infinity;
  staleAtMs = -Infinity;
  /** When the caller was last told of all that live, or the registry came back: what it forgets from then on it has time to learn again. */
  wholeAtMs = 0;
  polledAtMs = -Infinity;

  constructor() {
    this.tables.setRules(RULES.on);
    this.pass(1_000);
  }

  get nowMs(): number {
    return this.clock.nowMs();
  }

  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 1_000) {
      this.clock.pass(Math.min(left, 1_000));
      this.tick();
    }
  }

  tick(): void {
    const now = this.nowMs;
    if (this.mistake !== undefined && this.mistake.untilMs <= now) this.mistake = undefined;
    if (!this.isReachable) return;
    if (this.deafUntilMs <= now) {
      this.processes.forEach(({ isUp }, i) => {
        if (isUp && now - (this.beats.get(i) ?? -Infinity) >= BEAT_MS) this.beats.set(i, now);
      });
    }
    for (const [i, atMs] of this.beats) if (now - atMs > GONE_MS) this.beats.delete(i);
    if (now - this.polledAtMs >= POLL_MS) this.poll();
  }

  list(): Instance[] {
    const now = this.nowMs;
    const list = [...this.beats].map(([i, atMs]): Instance => {
      const tag = LANES[i];
      return {
        ip: '10.0.0.1',
        port: i,
        weight: 1,
        healthy: now - atMs <= UNHEALTHY_MS,
        enabled: true,
        metadata: tag === undefined ? {} : { lane: tag },
      };
    });
    return this.mistake === undefined ? list : (MISTAKES[this.mistake.how] as (list: Instance[]) => Instance[])(list);
  }

  poll(): void {
    this.polledAtMs = this.nowMs;
    const list = this.list();
    this.earlier.push(list);
    this.take(list);
  }

  /** Until when a disturbance may last: together they are shorter than the hold. */
  get disturbedUntilMs(): number {
    return this.wholeAtMs + HOLD_MS - POLL_MS - BEAT_MS - 1_000;
  }

  take(list: readonly Instance[]): void {
    const usable = new Set(list.filter(({ healthy, enabled }) => healthy && enabled).map(({ port }) => port));
    if (this.processes.every(({ isUp }, i) => !isUp || usable.has(i))) this.wholeAtMs = this.nowMs;
    this.tables.update(KEY, list);
    for (const { port, healthy, enabled } of list) if (healthy && enabled) (this.processes[port] as Process).isKnown = true;
  }

  /** Where a request ends up: each connection that is refused is tried elsewhere. */
  request(tag: Tag): number | 'failed' {
    for (let tries = 0; tries < 40; tries++) {
      const verdict = this.router.judge('stock', 80, tag, true);
      if (verdict.kind !== 'redirect') return 'failed';
      const { port } = verdict.instance;
      if ((this.processes[port] as Process).isUp) return port;
      this.tables.refused(KEY, '10.0.0.1', port);
    }
    return 'failed';
  }

  /** Whether nothing excuses that a process is passed over. */
  isSure({ isUp, isKnown, downAtMs }: Process): boolean {
    const now = this.nowMs;
    return isUp && isKnown && now - downAtMs > FORGIVEN_MS && now - this.staleAtMs > STALE_MS;
  }
}

type Step = (world: World) => void;
const steps: Readonly<Record<string, fc.Arbitrary<readonly [string, Step]>>> = (() => {
  const who = fc.nat(LANES.length - 1);
  const step = <T>(name: string, what: fc.Arbitrary<T>, act: (world: World, what: T) => void): fc.Arbitrary<readonly [string, Step]> =>
    what.map((value) => [`${name} ${String(value)}`, (world: World) => act(world, value)] as const);
  const down = (world: World, i: number): void => {
    const process = world.processes[i] as Process;
    process.isUp = false;
    process.downAtMs = world.nowMs;
    process.isKnown = false;
  };
  return {
    pass: step('time passes, ms', fc.integer({ min: 1, max: 30_000 }), (world, ms) => world.pass(ms)),
    request: step('a request of lane', fc.constantFrom(undefined, undefined, 'gray', 'gray', 'blue'), (world, tag: Tag) => {
      const at = world.request(tag);
      const { processes, isGrayOn } = world;
      const lane = tag === 'gray' && !isGrayOn ? undefined : tag;
      const of = (one: Tag): Process[] => processes.filter((process) => process.tag === one && world.isSure(process));
      if (at === 'failed') {
        expect([...of(lane), ...of(undefined)], 'who could have served a request that failed').toEqual([]);
        return;
      }
      const servedBy = (processes[at] as Process).tag;
      expect([lane, undefined], `the lane that served`).toContain(servedBy);
      if (servedBy !== lane) expect(of(lane), 'who could have served it in its lane').toEqual([]);
    }),
    crash: step('a crash of', who, down),
    stop: step('an orderly end of', who, (world, i) => {
      down(world, i);
      if (!world.isReachable) return;
      world.beats.delete(i);
      world.poll();
    }),
    start: step('a start of', who, (world, i) => {
      const process = world.processes[i] as Process;
      if (process.isUp) return;
      process.isUp = true;
      // The registry has told of it until it missed its beats.
      process.isKnown = false;
      if (!world.isReachable) return;
      world.beats.set(i, world.nowMs);
      world.poll();
    }),
    outage: step('the registry stops', fc.constant(''), (world) => {
      world.isReachable = false;
      world.tables.trouble(false);
    }),
    recovery: step('the registry is back, with nothing:', fc.boolean(), (world, isWiped) => {
      if (world.isReachable) return;
      world.isReachable = true;
      if (isWiped) world.beats.clear();
      world.wholeAtMs = world.nowMs;
      world.tables.trouble(true);
      world.poll();
      world.tick();
    }),
    restart: step('the registry restarts with nothing', fc.constant(''), (world) => {
      if (!world.isReachable || world.nowMs > world.disturbedUntilMs) return;
      world.beats.clear();
      world.tables.trouble(true);
      world.poll();
    }),
    forget: step('the registry forgets all, without a sign', fc.constant(''), (world) => {
      if (!world.isReachable || world.nowMs > world.disturbedUntilMs) return;
      world.beats.clear();
      world.poll();
    }),
    mistake: step('for up to 25 s it answers', fc.constantFrom(...Object.keys(MISTAKES)), (world, how) => {
      if (!world.isReachable) return;
      world.mistake = { how, untilMs: Math.min(world.nowMs + 25_000, world.disturbedUntilMs) };
      world.poll();
    }),
    deaf: step('beats are lost for, ms', fc.integer({ min: 1, max: 25_000 }), (world, ms) => {
      if (world.isReachable) world.deafUntilMs = Math.min(world.nowMs + ms, world.disturbedUntilMs);
    }),
    late: step('a push comes late, so many lists', fc.integer({ min: 1, max: 4 }), (world, back) => {
      const list = world.earlier.at(-1 - back);
      if (list === undefined || !world.isReachable) return;
      world.staleAtMs = world.nowMs;
      world.take(list);
    }),
    rules: step('lane gray is on:', fc.boolean(), (world, isOn) => {
      world.isGrayOn = isOn;
      world.tables.setRules(isOn ? RULES.on : RULES.off);
    }),
  };
})();

const weights: Readonly<Record<string, number>> = { request: 10, pass: 8 };
const histories = fc.array(fc.oneof(...Object.entries(steps).map(([name, arbitrary]) => ({ weight: weights[name] ?? 1, arbitrary }))), {
  minLength: 5,
  maxLength: 40,
});

test(`in ${HISTORIES} histories no request strays, nor fails, while an instance lives that is right for it and was known`, () => {
  fc.assert(
    fc.property(histories, (history) => {
      const world = new World();
      for (const [, act] of history) act(world);
    }),
    { numRuns: HISTORIES, endOnFailure: false },
  );
});
