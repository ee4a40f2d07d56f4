/**
 * A member of a real cluster of three goes, under load, and no request notices: killed as by a crash, or cut off from the other two while
 * its clients reach it. Beats and what Nacos makes of them are at their real speed.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nacosClusterAvailability } from '../servers/real-nacos-cluster.js';
import { FAULTS } from './faults.js';
import { Rig, type RigFault } from './rig.js';

// Three JVMs and two minutes for each fault: on request. Without one it would be half of the time of all tests.
const isAsked = process.env['LANE_TEST_CLUSTER'] === '1';
const { reason = 'it runs with LANE_TEST_CLUSTER=1' } = nacosClusterAvailability();

describe.skipIf(!isAsked)(`a cluster of three Nacos${isAsked ? '' : ` (left out: ${reason})`}`, () => {
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
