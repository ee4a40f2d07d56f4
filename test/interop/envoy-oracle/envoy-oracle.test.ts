/**
 * Envoy's subset load balancing follows the contract's rules without any code of ours. Sends requests of all kinds through random topologies
 * under our agent and through the same topologies behind Envoy. Instances of the same tags must serve them all the way down.
 *
 * The cases are the same in each run, which is to fail by what has changed: `LANE_ORACLE_SEED=… npm run interop -- envoy-oracle` makes others, and
 * LANE_ORACLE_CASES more of them. A failure prints the smallest case that fails.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { calls, describeTrail, type Trail } from './calls.js';
import { carrier } from './carrier.js';
import { startFleet, type Fleet } from './fleet.js';
import { describeTopology, topologies } from './topology.js';

const seed = Number(process.env['LANE_ORACLE_SEED'] ?? 1);
const TOPOLOGIES = 48;
const CASES_EACH = 45 * Number(process.env['LANE_ORACLE_CASES'] ?? 1);

const all = topologies(seed, TOPOLOGIES);
let fleet: Fleet;
const met = { cases: 0, hops: 0, 'in its lane': 0, 'fell back to base': 0, base: 0, unavailable: 0 };

beforeAll(async () => {
  fleet = await startFleet(all);
});
afterAll(async () => {
  await fleet?.stop();
});

describe.concurrent(`the same trail under the agent as through Envoy (LANE_ORACLE_SEED=${seed})`, () => {
  test.for(all)('$name: ' + `${CASES_EACH} cases`, async (topology, { expect }) => {
    await fc.assert(
      fc.asyncProperty(calls(topology), carrier(topology.tags), async (call, baggage) => {
        const [agents, envoy] = await Promise.all([fleet.throughAgents(call, baggage), fleet.throughEnvoy(call, baggage)]);
        expect(describeTrail(agents), `baggage lines ${JSON.stringify(baggage)} through\n${describeTopology(topology)}\n`).toBe(describeTrail(envoy));
        met.cases++;
        count(envoy, undefined);
      }),
      { numRuns: CASES_EACH, seed: seed + TOPOLOGIES },
    );
  });
});

test(`at least 2,000 cases, of every kind`, () => {
  console.log(`Envoy as oracle, seed ${seed}: ${JSON.stringify(met)}`);
  expect(met.cases).toBeGreaterThanOrEqual(2000);
  for (const kind of ['in its lane', 'fell back to base', 'base', 'unavailable'] as const) expect(met[kind]).toBeGreaterThan(100);
});

/** The kinds of hops that occurred. A base instance below one of a lane is a fallback. */
function count(trail: Trail, above: string | undefined): void {
  met.hops++;
  if ('unavailable' in trail) met.unavailable++;
  else {
    met[trail.tag !== null ? 'in its lane' : above === undefined ? 'base' : 'fell back to base']++;
    for (const next of trail.calls) count(next, trail.tag ?? above);
  }
}
