/** A controller and an Envoy as a model, whose requests and answers meet in any order; real ones are in test/interop/entries. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EnvoyState, type Answer, type Ask, type ResourceKind } from './envoy-state.js';
import { clusterByEndpoints, type Resource, type XdsResources } from './resources.js';

const NAMES = ['a', 'a:gray', 'b'];

/** What is in force where routes lead to these clusters. */
function resourcesOf(names: readonly string[], revision = 0, isComplete = true): XdsResources {
  const endpoints = new Map(names.map((name): [string, Resource] => [name, { version: `endpoints ${revision} of ${name}`, content: {} }]));
  return {
    clusters: new Map(names.map((name) => [name, clusterByEndpoints(name)])),
    endpoints,
    routes: { version: `routes ${revision} to ${names.join(' ')}`, content: { names } },
    isComplete,
    plan: undefined as never,
  };
}

interface Poll {
  readonly ask: Ask;
  answer: Answer | undefined;
}

/** An Envoy, and the controller it asks. */
class Model {
  now = 0;
  problems: string[] = [];
  #state = new EnvoyState(0);
  readonly #known = { clusters: new Map<string, Resource>(), endpoints: new Map<string, Resource>() };
  #resources = resourcesOf(['a']);
  readonly #polls = new Map<string, Poll>();
  clusters: { version: string; names: readonly string[] } = { version: '', names: [] };
  readonly endpoints = new Map<string, string>();
  routes: { version: string; names: readonly string[] } = { version: '', names: [] };

  serve(resources: XdsResources): void {
    this.#resources = resources;
    for (const kind of ['clusters', 'endpoints'] as const) for (const [name, one] of resources[kind]) this.#known[kind].set(name, one);
    this.#tryAll();
  }

  /** Asks for a kind, or for the endpoints of a cluster that it has, unless it is waiting already. */
  poll(kind: ResourceKind, name = ''): void {
    const key = `${kind} ${name}`;
    if (this.#polls.has(key) || (kind === 'endpoints' && !this.clusters.names.includes(name))) return;
    const version = kind === 'clusters' ? this.clusters.version : kind === 'routes' ? this.routes.version : (this.endpoints.get(name) ?? '');
    // It asks for routes once its clusters are there.
    if (kind === 'routes' && version === '' && !this.isWarm(this.clusters.names)) return;
    const ask = { kind, name, version, problem: undefined };
    this.#polls.set(key, { ask, answer: undefined });
    this.#state.hear(ask);
    this.#tryAll();
  }

  /** An answer arrives, or gets lost on its way. */
  deliver(kind: ResourceKind, name = '', isLost = false): void {
    const key = `${kind} ${name}`;
    const poll = this.#polls.get(key);
    if (poll?.answer === undefined) return;
    this.#polls.delete(key);
    if (isLost) return;
    this.#state.tell(poll.ask, poll.answer, this.now);
    const { version, resources } = poll.answer;
    if (kind === 'endpoints') this.endpoints.set(name, version);
    else if (kind === 'routes') this.routes = { version, names: (resources[0] as { names: string[] }).names };
    else {
      this.clusters = { version, names: resources.map((one) => (one as { name: string }).name) };
      for (const one of this.endpoints.keys()) if (!this.clusters.names.includes(one)) this.endpoints.delete(one);
      for (const one of this.#polls.keys()) if (one.startsWith('endpoints ') && !this.clusters.names.includes(one.slice(10))) this.#polls.delete(one);
    }
  }

  /** Asks, and gets the answer if there is one. */
  both(kind: ResourceKind, name = ''): void {
    this.poll(kind, name);
    this.deliver(kind, name);
  }

  /** All that there is now, as it mostly happens. */
  fetch(): void {
    for (let i = 0; i < 2; i++) {
      this.both('clusters');
      for (const of of NAMES) this.both('endpoints', of);
    }
    this.both('routes');
  }

  /** The controller is started anew; everything that the Envoy asks for, it asks for again soon. */
  restart(resources: XdsResources): void {
    this.#polls.clear();
    this.#known.clusters.clear();
    this.#known.endpoints.clear();
    this.#state = new EnvoyState(this.now);
    this.serve(resources);
    this.poll('clusters');
    this.deliver('clusters');
    this.poll('routes');
    for (const name of this.clusters.names) this.poll('endpoints', name);
  }

  wait(): void {
    this.now += 1_000;
    this.#tryAll();
  }

  #tryAll(): void {
    for (const poll of this.#polls.values()) {
      if (poll.answer !== undefined) continue;
      const { answer, problem } = this.#state.next(poll.ask, this.#resources, this.#known, this.now);
      poll.answer = answer;
      if (problem !== undefined) this.problems.push(problem);
    }
  }

  isWarm(names: readonly string[]): boolean {
    return names.every((name) => this.clusters.names.includes(name) && this.endpoints.has(name));
  }

  /** Goes on until nothing more happens. */
  settle(): void {
    for (let i = 0; i < 20; i++) {
      for (const kind of ['clusters', 'routes'] as const) {
        this.poll(kind);
        this.deliver(kind);
      }
      for (const name of NAMES) {
        this.poll('endpoints', name);
        this.deliver('endpoints', name);
      }
      this.wait();
    }
  }

  /** What of the resources in force the Envoy does not have. */
  missing(): unknown {
    return {
      clusters: [...this.clusters.names].sort(),
      endpoints: Object.fromEntries([...this.endpoints].sort(([one], [other]) => (one < other ? -1 : 1))),
      routes: this.routes.version,
    };
  }
}

const kind = fc.constantFrom<ResourceKind>('clusters', 'endpoints', 'routes');
// Few, so that the same ones come again.
const services = fc.constantFrom(['a'], ['a', 'a:gray'], ['a', 'b']);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('poll' as const), kind }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('deliver' as const), kind }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('both' as const), kind }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('fetch' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), kind }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('serve' as const), names: services }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), names: services }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
);

test('in any order of requests and answers, routes never lead to a missing cluster, and everything arrives in the end', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), services, (steps, last) => {
      const model = new Model();
      model.serve(resourcesOf(['a']));
      model.settle();
      for (const one of steps) {
        if (one.do === 'wait') model.wait();
        else if (one.do === 'fetch') model.fetch();
        else if (one.do === 'serve' || one.do === 'restart') model[one.do](resourcesOf(one.names));
        else {
          for (const of of one.kind === 'endpoints' ? NAMES : ['']) {
            if (one.do === 'poll' || one.do === 'both') model.poll(one.kind, of);
            if (one.do !== 'poll') model.deliver(one.kind, of, one.do === 'lose');
          }
        }
        expect(model.isWarm(model.routes.names)).toBe(true);
      }
      const wanted = resourcesOf(last, 9);
      model.serve(wanted);
      model.settle();
      expect(model.isWarm(model.routes.names)).toBe(true);
      expect(model.missing()).toEqual({
        clusters: [...last].sort(),
        endpoints: Object.fromEntries([...wanted.endpoints].map(([of, { version }]) => [of, version]).sort(([a = ''], [b = '']) => (a < b ? -1 : 1))),
        routes: wanted.routes.version,
      });
    }),
    // The same in each run: a test fails by what has changed.
    { numRuns: 1_000, seed: 1 },
  );
});

test('clusters stay while routes to them were sent, even if withdrawn before the Envoy confirmed them', () => {
  const model = new Model();
  model.serve(resourcesOf(['a']));
  model.settle();
  model.serve(resourcesOf(['a', 'a:gray']));
  model.fetch();
  expect(model.routes.names).toEqual(['a', 'a:gray']);
  model.serve(resourcesOf(['a']));
  model.both('clusters');
  expect(model.isWarm(model.routes.names)).toBe(true);
});

test('routes to a cluster that the Envoy was just told to drop wait until it has the cluster again', () => {
  const model = new Model();
  model.serve(resourcesOf(['a', 'a:gray']));
  model.settle();
  model.serve(resourcesOf(['a']));
  model.fetch();
  // By this it says that it has the routes, and so it is told to give up the cluster; the answer is on its way as it comes back.
  model.poll('routes');
  model.serve(resourcesOf(['a', 'a:gray']));
  model.deliver('routes');
  model.deliver('clusters');
  expect(model.isWarm(model.routes.names)).toBe(true);
  model.settle();
  expect(model.routes.names).toEqual(['a', 'a:gray']);
});

test('a controller that knows less than its predecessor changes nothing', () => {
  const model = new Model();
  model.serve(resourcesOf(['a', 'a:gray']));
  model.settle();
  const before = model.missing();
  model.restart(resourcesOf([], 1, false));
  model.settle();
  expect(model.missing()).toEqual(before);
  expect(model.problems).toEqual([]);
});

test('reports a rejection once, and repeats the answer only after a second', () => {
  const state = new EnvoyState(0);
  const known = { clusters: new Map(), endpoints: new Map() };
  const resources = resourcesOf([], 1);
  const ask: Ask = { kind: 'routes', name: 'lane', version: 'before', problem: 'no such regex\nat all' };
  state.hear(ask);
  const first = state.next(ask, resources, known, 0);
  expect(first).toEqual({ answer: { version: 'routes 1 to ', resources: [{ names: [] }] } });
  state.tell(ask, first.answer as Answer, 0);
  state.hear(ask);
  expect(state.next(ask, resources, known, 300)).toEqual({
    problem: 'it rejected the routes of version routes 1 to  and keeps those of version before: no such regex\nat all',
    waitMs: 700,
  });
  expect(state.next(ask, resources, known, 1_000)).toEqual({ answer: first.answer });
});
