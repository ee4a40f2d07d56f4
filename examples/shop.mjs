/** The services of the shop, for examples that add their own. */
import { join } from 'node:path';

/** Their names. */
export const SHOP_SERVICES = ['spring-cloud-a', 'spring-cloud-b', 'spring-cloud-c'];

/** A and C. */
export const aAndC = (root) => shop(root, ['a', 'c']);

/** Some services of the shop, base and gray, under the agent. They know nothing of lanes. */
export function shop(root, letters) {
  return letters.flatMap((letter) =>
    ['base', 'gray'].map((lane) => ({
      name: `${letter.toUpperCase()} ${lane}`,
      command: process.execPath,
      args: [join(root, 'examples/shop', `${letter}.js`)],
      agent: true,
      first: true,
      env: lane === 'gray' ? { LANE_TAG: 'gray', NAME: `${letter.toUpperCase()}gray` } : {},
      ready: /registered as/,
    })),
  );
}

/** The answers to `/a` in base and in gray. */
export const SHOP_REQUESTS = [
  { path: '/a', answer: /^A\[[\d.:]+\] -> B\[[\d.:]+\] -> C\[[\d.:]+\]$/ },
  { path: '/a', gray: true, answer: /^Agray\[[\d.:]+\] -> Bgray\[[\d.:]+\] -> Cgray\[[\d.:]+\]$/ },
];
