/**
 * A model of a service, its registry, and a caller that calls it by name and at addresses that it keeps. Plays long histories: instances come, leave and die; the registry restarts,
 * forgets and answers wrongly; pushes get lost, late and out of order; lane groups change. Compares the route of each request with the truth,
 * which the caller cannot see. Time is simulated: nothing sleeps. Then runs everything again with lists applied in slices, as the agent does for
 * very many instances, so that events happen in between.
 *
 * Runs the same 10,000 histories each time, so that only a change can make it fail; LANE_MODEL_HISTORIES sets another number, LANE_MODEL_SEED other histories:
 * look for new failures with those. They are shrunk and printed: add each as a test below.
 */
import { createRouter, DEFAULT_FORMATS, ServiceTables, type Instance, type Router, type Slicing } from '@lane/core/model';
import { compileLaneGroups, parseLaneGroups, type LaneRules } from '@lane/core/rules';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '@lane/testing';

const HISTORIES = Number(process.env['LANE_MODEL_HISTORIES'] ?? 10_000);
const SEED = Number(process.env['LANE_MODEL_SEED'] ?? 1);
const KEY = { name: 'stock', group: 'DEFAULT_GROUP' };
const BEAT_MS = 5_000;
const UNHEALTHY_MS = 15_000;
const GONE_MS = 30_000;
const POLL_MS = 10_000;
const HOLD_MS = 40_000;
/** The longest time that an instance is skipped after it refused connections, or that an outdated list stays in use. */
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

/** Wrong answers of a registry, which last less time than its clients need to register again. `isLater`: it has lasted for a while. */
const MISTAKES: Readonly<Record<string, (list: Instance[], world: World, isLater: boolean) => Instance[]>> = {
  empty: () => [],
  'without gray': (list) => list.filter(({ metadata }) => metadata['lane'] !== 'gray'),
  'without base': (list) => list.filter(({ metadata }) => metadata['lane'] !== undefined),
  'all unhealthy': (list) => list.map((instance) => ({ ...instance, healthy: false })),
  'all disabled': (list) => list.map((instance) => ({ ...instance, enabled: false })),
  // In two lists, of which the second omits less than half: together they omit most. If they omitted less, the caller would believe them.
  'without gray, then without most': (list, world, isLater) => {
    const isMost = isLater && MOST.every((i) => world.isSure(world.processes[i] as Process));
    return list.filter(({ port, metadata }) => metadata['lane'] !== 'gray' && !(isMost && MOST.includes(port)));
  },
};
const MISTAKEN_LATER_MS = 5_000;
/** Gray, and all base instances but one. */
const MOST: readonly number[] = [0, 1, 3, 4];

/** How long after an instance has gone its address may belong to somebody else, minus how much earlier the caller may have heard of it. */
const LONG_GONE_MS = 60_000 - STALE_MS;

/** Treats six instances as very many. */
const SLICING: Slicing = { atOnce: 2, pieces: 12, holdMs: 0 };

interface Process {
  readonly tag: Tag;
  isUp: boolean;
  /** When it was last down, or started. */
  downAtMs: number;
  /** When it last ended. */
  endedAtMs: number;
  /** Whether the caller has been told of it since it started. */
  isKnown: boolean;
  /** It started while the registry wrongly omitted it, and the caller has not been told of it since. */
  isHidden: boolean;
  /** The caller takes it for another service's. */
  isStranger: boolean;
}

class World {
  readonly clock = new ManualClock();
  /** Pending slices. They take no time, and all run before the clock moves on. */
  readonly slices: Array<() => void> = [];
  /** Lists that are being applied. */
  waiting = 0;
  readonly tables: ServiceTables;
  readonly router: Router;
  readonly processes: Process[] = LANES.map((tag) => ({
    tag,
    isUp: true,
    downAtMs: -Infinity,
    endedAtMs: -Infinity,
    isKnown: false,
    isHidden: false,
    isStranger: false,
  }));
  /** The instances of the caller's last list. */
  listed: ReadonlySet<number> = new Set();
  readonly beats = new Map<number, number>();
  readonly earlier: Instance[][] = [];
  isReachable = true;
  isGrayOn = true;
  mistake: { readonly how: string; readonly fromMs: number; readonly untilMs: number } | undefined;
  deafUntilMs = -Infinity;
  staleAtMs = -Infinity;
  /** When the caller was last told of all live instances, or the registry came back. What the registry loses after that, it has time to learn again. */
  wholeAtMs = 0;
  polledAtMs = -Infinity;

  constructor(slicing?: Slicing) {
    const { clock, slices } = this;
    const after = (ms: number, work: () => void): (() => void) => {
      if (ms > 0) return clock.after(ms, work);
      slices.push(work);
      return () => void slices.splice(slices.indexOf(work), 1);
    };
    this.tables = new ServiceTables({
      formats: DEFAULT_FORMATS,
      holdMs: () => HOLD_MS,
      clock: { nowMs: () => clock.nowMs(), after },
      remembersGone: true,
      ...(slicing === undefined ? {} : { slicing }),
      onError: (error) => {
        throw error;
      },
    });
    this.router = createRouter(
      this.tables,
      { isEmpty: false, find: (host) => (host === KEY.name ? KEY : undefined), isInternal: () => true },
      () => undefined,
    );
    this.tables.setRules(RULES.on);
    this.pass(1_000);
    // Before its first list a caller waits, or uses its own addresses.
    this.sliceBy(Infinity);
  }

  get nowMs(): number {
    return this.clock.nowMs();
  }

  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 1_000) {
      this.sliceBy(Infinity);
      this.clock.pass(Math.min(left, 1_000));
      this.sliceBy(Infinity);
      this.tick();
    }
  }

  sliceBy(count: number): void {
    for (let i = 0; i < count && this.slices.length > 0; i++) this.slices.shift()?.();
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
    if (this.mistake === undefined) return list;
    return MISTAKES[this.mistake.how]?.(list, this, now - this.mistake.fromMs >= MISTAKEN_LATER_MS) ?? list;
  }

  poll(): void {
    this.polledAtMs = this.nowMs;
    const list = this.list();
    this.earlier.push(list);
    this.take(list);
  }

  /** How long a disturbance may last: all together are shorter than the hold. */
  get disturbedUntilMs(): number {
    return this.wholeAtMs + HOLD_MS - POLL_MS - BEAT_MS - 1_000;
  }

  take(list: readonly Instance[]): void {
    // If more lists are waiting, not all are applied.
    if (this.waiting === 4) this.sliceBy(Infinity);
    this.waiting++;
    this.tables.push(KEY, list, 'registry', () => this.noteTaken(list));
  }

  noteTaken(list: readonly Instance[]): void {
    this.waiting--;
    const usable = new Set(list.filter(({ healthy, enabled }) => healthy && enabled).map(({ port }) => port));
    if (this.processes.every(({ isUp }, i) => !isUp || usable.has(i))) this.wholeAtMs = this.nowMs;
    for (const port of usable) Object.assign(this.processes[port] as Process, { isKnown: true, isHidden: false, isStranger: false });
    this.listed = new Set(list.map(({ port }) => port));
  }

  /** Where a request ends up, by name or at an address that the caller keeps. Tries another instance after each refused connection. */
  request(tag: Tag, keptPort?: number): number | 'failed' {
    for (let tries = 0; tries < 40; tries++) {
      const verdict = keptPort === undefined ? this.router.judge('stock', 80, tag, true) : this.router.judge('10.0.0.1', keptPort, tag, true);
      const port = verdict.instance?.port ?? (verdict.kind === 'unknown' ? keptPort : undefined);
      if (port === undefined) return 'failed';
      if ((this.processes[port] as Process).isUp) {
        this.tables.answered(KEY, '10.0.0.1', port);
        return port;
      }
      this.tables.refused(KEY, '10.0.0.1', port);
      // Connecting takes time.
      this.sliceBy(3);
    }
    return 'failed';
  }

  /** A request must reach its lane, or base if the lane has no instance; it may fail only if nobody is left. */
  expectServed(tag: Tag, at: number | 'failed'): void {
    const lane = tag === 'gray' && !this.isGrayOn ? undefined : tag;
    const of = (one: Tag): Process[] => this.processes.filter((process) => process.tag === one && this.isSure(process));
    if (at === 'failed') {
      expect([...of(lane), ...of(undefined)], 'who could have served a request that failed').toEqual([]);
      return;
    }
    const servedBy = (this.processes[at] as Process).tag;
    expect([lane, undefined], `the lane that served`).toContain(servedBy);
    if (servedBy !== lane) expect(of(lane), 'who could have served it in its lane').toEqual([]);
  }

  /**
   * Whether the caller takes a process at the kept address of a long-gone instance for a stranger, because nothing tells them apart: it started while the
   * registry was up and omitted it, but omitted nobody else, which would have been a sign.
   */
  isTakenForAnother(process: Process): boolean {
    const isSilenceSure = this.processes.every(({ isUp, isHidden }, i) => !isUp || isHidden || this.listed.has(i));
    if (process.isHidden && isSilenceSure && this.nowMs - process.endedAtMs >= LONG_GONE_MS) process.isStranger = true;
    return process.isStranger;
  }

  /** Whether there is no excuse to skip a process. */
  isSure({ isUp, isKnown, downAtMs }: Process): boolean {
    const now = this.nowMs;
    return isUp && isKnown && now - downAtMs > FORGIVEN_MS && now - this.staleAtMs > STALE_MS;
  }
}

const down = (world: World, i: number): void => {
  const process = world.processes[i] as Process;
  if (process.isUp) process.endedAtMs = world.nowMs;
  Object.assign(process, { isUp: false, downAtMs: world.nowMs, isKnown: false, isHidden: false, isStranger: false });
};

/** What can happen, as single steps. */
const does = {
  pass: (world: World, ms: number): void => world.pass(ms),
  request: (world: World, tag: Tag): void => world.expectServed(tag, world.request(tag)),
  kept: (world: World, [tag, port]: readonly [Tag, number]): void => {
    // Only the list tells who is at an address that was gone: until it is in use, treat the instance as absent.
    if (world.processes[port]?.isKnown === false) world.sliceBy(Infinity);
    const at = world.request(tag, port);
    if (at !== port || !world.isTakenForAnother(world.processes[port] as Process)) world.expectServed(tag, at);
  },
  crash: down,
  stop: (world: World, i: number): void => {
    down(world, i);
    if (!world.isReachable) return;
    world.beats.delete(i);
    world.poll();
  },
  start: (world: World, i: number): void => {
    const process = world.processes[i] as Process;
    if (process.isUp) return;
    process.isUp = true;
    // The registry listed it until it missed its heartbeats.
    process.isKnown = false;
    if (!world.isReachable) return;
    world.beats.set(i, world.nowMs);
    process.isHidden = !world.list().some(({ port }) => port === i);
    world.poll();
  },
  outage: (world: World): void => {
    world.isReachable = false;
    world.tables.trouble(false);
  },
  recovery: (world: World, isWiped: boolean): void => {
    if (world.isReachable) return;
    world.isReachable = true;
    if (isWiped) world.beats.clear();
    world.wholeAtMs = world.nowMs;
    world.tables.trouble(true);
    world.poll();
    world.tick();
  },
  restart: (world: World): void => {
    if (!world.isReachable || world.nowMs > world.disturbedUntilMs) return;
    world.beats.clear();
    world.tables.trouble(true);
    world.poll();
  },
  forget: (world: World): void => {
    if (!world.isReachable || world.nowMs > world.disturbedUntilMs) return;
    world.beats.clear();
    world.poll();
  },
  mistake: (world: World, how: string): void => {
    if (!world.isReachable || world.nowMs > world.disturbedUntilMs) return;
    world.mistake = { how, fromMs: world.nowMs, untilMs: Math.min(world.nowMs + 25_000, world.disturbedUntilMs) };
    world.poll();
  },
  deaf: (world: World, ms: number): void => {
    if (world.isReachable) world.deafUntilMs = Math.min(world.nowMs + ms, world.disturbedUntilMs);
  },
  late: (world: World, back: number): void => {
    const list = world.earlier.at(-1 - back);
    if (list === undefined || !world.isReachable) return;
    world.staleAtMs = world.nowMs;
    world.take(list);
  },
  slices: (world: World, count: number): void => world.sliceBy(count),
  rules: (world: World, isOn: boolean): void => {
    world.isGrayOn = isOn;
    world.tables.setRules(isOn ? RULES.on : RULES.off);
    // Until they are in force for all instances, calls follow the old ones.
    world.sliceBy(Infinity);
  },
};

type Step = (world: World) => void;
const steps: Readonly<Record<string, fc.Arbitrary<readonly [string, Step]>>> = (() => {
  const who = fc.nat(LANES.length - 1);
  const lane = fc.constantFrom<Tag[]>(undefined, undefined, 'gray', 'gray', 'blue');
  const step = <T>(name: string, what: fc.Arbitrary<T>, act: (world: World, what: T) => void): fc.Arbitrary<readonly [string, Step]> =>
    what.map((value) => [`${name} ${String(value)}`, (world: World) => act(world, value)] as const);
  return {
    pass: step('time passes, ms', fc.integer({ min: 1, max: 30_000 }), does.pass),
    request: step('a request of lane', lane, does.request),
    kept: step('a request, of lane and to a kept address,', fc.tuple(lane, who), does.kept),
    crash: step('a crash of', who, does.crash),
    stop: step('an orderly end of', who, does.stop),
    start: step('a start of', who, does.start),
    outage: step('the registry stops', fc.constant(''), does.outage),
    recovery: step('the registry is back, with nothing:', fc.boolean(), does.recovery),
    restart: step('the registry restarts with nothing', fc.constant(''), does.restart),
    forget: step('the registry forgets all, without a sign', fc.constant(''), does.forget),
    mistake: step('for up to 25 s it answers', fc.constantFrom(...Object.keys(MISTAKES)), does.mistake),
    deaf: step('beats are lost for, ms', fc.integer({ min: 1, max: 25_000 }), does.deaf),
    late: step('a push comes late, so many lists', fc.integer({ min: 1, max: 4 }), does.late),
    slices: step('so many slices', fc.integer({ min: 1, max: 12 }), does.slices),
    rules: step('lane gray is on:', fc.boolean(), does.rules),
  };
})();

const weights: Readonly<Record<string, number>> = { request: 7, kept: 7, pass: 8, slices: 2 };
const histories = fc.array(fc.oneof(...Object.entries(steps).map(([name, arbitrary]) => ({ weight: weights[name] ?? 1, arbitrary }))), {
  minLength: 5,
  maxLength: 40,
});

test.each<[how: string, slicing: Slicing | undefined]>([
  ['', undefined],
  [', with lists taken in slices,', SLICING],
])(`in ${HISTORIES} histories%s no request strays, nor fails, while an instance lives that is right for it and was known`, (_, slicing) => {
  fc.assert(
    fc.property(histories, (history) => {
      const world = new World(slicing);
      for (const [, act] of history) act(world);
    }),
    { numRuns: HISTORIES, endOnFailure: false, seed: SEED },
  );
});

describe.each<[how: string, slicing: Slicing | undefined]>([
  ['', undefined],
  [', with lists taken in slices', SLICING],
])('a history that once failed%s:', (_, slicing) => {
  const longGone = (...who: readonly number[]): World => {
    const world = new World(slicing);
    for (const i of who) does.stop(world, i);
    world.pass(30_000);
    world.pass(31_000);
    return world;
  };
  /** Which lanes serve requests of these tags to a kept address, in order, once all lists are in use. */
  const servedAt = (world: World, port: number, ...tags: readonly Tag[]): string[] => {
    world.sliceBy(Infinity);
    return tags.map((tag) => {
      const at = world.request(tag, port);
      return at === 'failed' ? at : (LANES[at] ?? 'base');
    });
  };

  test('calls of other lanes do not reach a long-gone instance that is back at its address while the registry is down', () => {
    const world = longGone(3);
    does.outage(world);
    does.start(world, 3);
    // Its own lane calls it: being there does not make it a stranger.
    expect(servedAt(world, 3, undefined, 'gray', undefined)).toEqual(['base', 'gray', 'base']);
    // The registry may take this long to report it.
    does.recovery(world, false);
    does.deaf(world, 24_000);
    world.pass(23_000);
    expect(servedAt(world, 3, undefined)).toEqual(['base']);
  });

  test('nor do they if they have no instance left', () => {
    const world = longGone(0, 1, 2);
    world.pass(30_000);
    world.pass(31_000);
    does.stop(world, 3);
    world.pass(30_000);
    world.pass(31_000);
    does.outage(world);
    does.start(world, 3);
    expect(servedAt(world, 3, undefined)).toEqual(['failed']);
  });

  test.each(['empty', 'without base'])('nor do they while the registry answers wrongly and we doubt it: %s', (how) => {
    const world = longGone(1);
    does.mistake(world, how);
    world.pass(4_000);
    does.start(world, 1);
    expect(servedAt(world, 1, 'gray', undefined, 'gray')).toEqual(['gray', 'base', 'gray']);
  });

  test('calls may reach it in any lane if the registry wrongly omits nobody whom the caller knew: it may as well be a stranger', () => {
    const world = longGone(3, 4);
    does.mistake(world, 'without gray');
    does.start(world, 3);
    expect(servedAt(world, 3, undefined)).toEqual(['gray']);
    does.kept(world, [undefined, 3]);
    // The caller hears of it once the registry answers correctly.
    world.pass(35_000);
    expect(servedAt(world, 3, undefined)).toEqual(['base']);
  });

  test('base still serves if the registry wrongly omits a lane, then most of base, and the rest of base dies', () => {
    const world = new World(slicing);
    does.mistake(world, 'without gray, then without most');
    world.pass(20_000);
    does.crash(world, 2);
    does.request(world, undefined);
    expect(servedAt(world, 0, undefined)).toEqual(['base']);
  });
});
