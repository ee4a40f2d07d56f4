/**
 * A member of a real cluster of three fails under load, and no request notices: it is killed, or cut off from the other two while
 * clients still reach it. Heartbeats and what depends on them run at real speed.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nacosClusterAvailability } from '../servers/real-nacos-cluster.js';
import { FAULTS } from './faults.js';
import { Rig, type RigFault } from './rig.js';

// Three JVMs and two minutes for each fault, half the time of all tests: runs only on request.
const isAsked = process.env['LANE_TEST_CLUSTER'] === '1';
const { reason = 'it runs with LANE_TEST_CLUSTER=1' } = nacosClusterAvailability();

describe.skipIf(!isAsked)(`a cluster of three Nacos${isAsked ? '' : ` (skipped: ${reason})`}`, () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await Rig.start({ nacos: 'cluster', rate: 15, speed: 3, beatSpeed: 1 });
    await rig.untilRight(120);
  }, 600_000);
  afterAll(() => rig?.close());

  test.each([
    ['is cut off from the others for 30 s', 'member partitioned', 30],
    ['is killed, and comes back', 'member killed and back', 20],
  ])('no request strays or fails while a member %s', { timeout: 400_000 }, async (_what, name, seconds) => {
    const { wrong, failed, untilRightS, by, said } = await rig.measure(FAULTS[name] as RigFault, seconds);
    expect({ wrong, failed }, JSON.stringify({ untilRightS, by, said })).toEqual({ wrong: 0, failed: 0 });
  });
});
