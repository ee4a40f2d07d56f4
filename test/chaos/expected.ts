/**
 * What is expected of each fault in the short form of the table: the numbers of one run before the registries' views were made one
 * ("today"), and what has to come of it. A fault whose numbers have reached its goal is a test; tighten the row when that is so.
 */

/** How the short form is run: everything of Nacos ten times as fast, faults a tenth as long. */
export const QUICK = { rate: 45, speed: 10 } as const;

/** Answers of the wrong lane, and requests that failed. */
export interface Count {
  readonly wrong: number;
  readonly failed: number;
}

const NONE: Count = { wrong: 0, failed: 0 };

/** By fault; `today` is undefined where it has not been measured. */
export const EXPECTED: Readonly<Record<string, { readonly today: Count | undefined; readonly goal: Count }>> = {
  none: { today: { wrong: 0, failed: 0 }, goal: NONE },
  'nacos killed, back after 5 s': { today: { wrong: 5, failed: 7 }, goal: NONE },
  'nacos killed, back after 60 s': { today: { wrong: 4, failed: 3 }, goal: NONE },
  'nacos killed six times': { today: { wrong: 2, failed: 0 }, goal: NONE },
  'nacos stopped': { today: { wrong: 2, failed: 0 }, goal: NONE },
  'nacos restarted with nothing': { today: { wrong: 38, failed: 57 }, goal: NONE },
  'all calls 500': { today: { wrong: 1, failed: 135 }, goal: NONE },
  'all calls 403': { today: { wrong: 3, failed: 158 }, goal: NONE },
  'all calls 404': { today: { wrong: 19, failed: 143 }, goal: NONE },
  'all calls garbage': { today: { wrong: 0, failed: 149 }, goal: NONE },
  'all calls reset': { today: { wrong: 0, failed: 66 }, goal: NONE },
  'all calls hang': { today: { wrong: 0, failed: 45 }, goal: NONE },
  'all answers truncated': { today: { wrong: 5, failed: 122 }, goal: NONE },
  'all answers 3 s late': { today: undefined, goal: NONE },
  'reads 500': { today: { wrong: 0, failed: 0 }, goal: NONE },
  'reads 403': { today: { wrong: 0, failed: 0 }, goal: NONE },
  'reads 404': { today: { wrong: 0, failed: 0 }, goal: NONE },
  'reads garbage': { today: { wrong: 0, failed: 0 }, goal: NONE },
  'lists empty': { today: { wrong: 0, failed: 0 }, goal: NONE },
  'lists without gray': { today: { wrong: 79, failed: 0 }, goal: NONE },
  'lists without base': { today: { wrong: 19, failed: 40 }, goal: NONE },
  'lists all unhealthy': { today: { wrong: 0, failed: 126 }, goal: NONE },
  'lists all disabled': { today: { wrong: 0, failed: 127 }, goal: NONE },
  'lists without metadata': { today: { wrong: 86, failed: 0 }, goal: NONE },
  'lane groups 404': { today: { wrong: 44, failed: 0 }, goal: NONE },
  'lane groups empty': { today: { wrong: 0, failed: 0 }, goal: NONE },
  'lane groups garbage': { today: { wrong: 0, failed: 0 }, goal: NONE },
  'pushes lost': { today: { wrong: 0, failed: 0 }, goal: NONE },
  'pushes 3 s late': { today: { wrong: 0, failed: 0 }, goal: NONE },
  'instance killed': { today: { wrong: 0, failed: 24 }, goal: NONE },
  'instance stopped': { today: { wrong: 0, failed: 9 }, goal: NONE },
  'instance closes its port': { today: { wrong: 0, failed: 27 }, goal: NONE },
  'instance accepts and resets': { today: { wrong: 0, failed: 31 }, goal: NONE },
  'instance registered before it listens': { today: { wrong: 0, failed: 10 }, goal: NONE },
  'all of a lane killed': { today: { wrong: 0, failed: 61 }, goal: NONE },
  'another tag at the same address': { today: { wrong: 0, failed: 0 }, goal: NONE },
  'address taken over by another service': { today: { wrong: 0, failed: 24 }, goal: NONE },
  'two services on one address': { today: undefined, goal: NONE },
  'instance flaps': { today: undefined, goal: NONE },
  'scaled to zero and back': { today: undefined, goal: NONE },
  'rolling restart with a drain': { today: undefined, goal: NONE },
  'rolling restart without a drain': { today: undefined, goal: NONE },
};
