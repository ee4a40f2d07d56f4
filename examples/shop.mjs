/** Services of the shop, for examples that have others of their own. */
import { join } from 'node:path';

/** The services of the shop. */
export const SHOP_SERVICES = ['spring-cloud-a', 'spring-cloud-b', 'spring-cloud-c'];

/** A and C. */
export const aAndC = (root) => shop(root, ['a', 'c']);

/** Some services of the shop, base and gray, which know nothing of lanes and run under the agent. */
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

/** What `/a` is answered with, by base and by gray. */
export const SHOP_REQUESTS = [
  { path: '/a', answer: /^A\[[\d.:]+\] -> B\[[\d.:]+\] -> C\[[\d.:]+\]$/ },
  { path: '/a', gray: true, answer: /^Agray\[[\d.:]+\] -> Bgray\[[\d.:]+\] -> Cgray\[[\d.:]+\]$/ },
];
