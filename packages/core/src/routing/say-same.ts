/** Whether what a registry says is what it has said before: most of what it says is, so that this is what it costs. */
import type { Instance } from './instance.js';
import { inOneGo, NO_PAUSE, type Pace, type Steps } from './steps.js';

/**
 * Whether two lists say the same. In whatever order, since Nacos promises none and no decision depends on it; but for an address that is
 * listed twice, of which the later counts: there the order has to be the same.
 */
export function saySame(before: readonly Instance[], now: readonly Instance[]): boolean {
  return inOneGo(saySameInSteps(before, now, NO_PAUSE));
}

/** As {@link saySame}, a step at a time. Registries keep their order as a rule: nothing is looked up, nor made, as long as the two lists have the same. */
export function* saySameInSteps(before: readonly Instance[], now: readonly Instance[], pace: Pace): Steps<boolean> {
  if (before === now) return true;
  if (before.length !== now.length) return false;
  let from = 0;
  let to = before.length;
  while (from < to && isSame(before[from] as Instance, now[from] as Instance)) {
    from++;
    if (pace.isDue()) yield;
  }
  if (from === to) return true;
  if (isSameAddress(before[from] as Instance, now[from] as Instance)) return false;
  while (isSame(before[to - 1] as Instance, now[to - 1] as Instance)) {
    to--;
    if (pace.isDue()) yield;
  }
  // What stands before and behind is the same in both, so only in between the order matters of an address that is listed twice.
  const byAddress = new Map<string, Instance>();
  for (let i = from; i < to; i++) {
    byAddress.set(addressOf(before[i] as Instance), before[i] as Instance);
    if (pace.isDue()) yield;
  }
  if (byAddress.size < to - from) return false;
  for (let i = from; i < to; i++) {
    const instance = now[i] as Instance;
    const address = addressOf(instance);
    const known = byAddress.get(address);
    if (known === undefined || !isSame(known, instance)) return false;
    byAddress.delete(address);
    if (pace.isDue()) yield;
  }
  return true;
}

/** The key of an instance within its service. */
export function addressOf({ ip, port }: Pick<Instance, 'ip' | 'port'>): string {
  return `${ip} ${port}`;
}

function isSameAddress(a: Instance, b: Instance): boolean {
  return a.port === b.port && a.ip === b.ip;
}

/** In all that there is of them, also what only one registry has, such as a cluster: whoever reads a table finds what was last told. */
function isSame(a: Instance, b: Instance): boolean {
  return (
    a === b ||
    (a.port === b.port &&
      a.healthy === b.healthy &&
      a.enabled === b.enabled &&
      Object.is(a.weight, b.weight) &&
      a.ip === b.ip &&
      isSameMetadata(a.metadata, b.metadata) &&
      isSameBesides(a, b))
  );
}

/** What instances of all registries have, and is compared by name: keys that are looked up by their text cost several times as much. */
function isUsual(key: string): boolean {
  switch (key) {
    case 'ip':
    case 'port':
    case 'weight':
    case 'healthy':
    case 'enabled':
    case 'metadata':
      return true;
    default:
      return false;
  }
}

/** All but what {@link isUsual}. Makes no list of keys. */
function isSameBesides(a: Instance, b: Instance): boolean {
  const left = a as unknown as Readonly<Record<string, unknown>>;
  const right = b as unknown as Readonly<Record<string, unknown>>;
  let more = 0;
  for (const key in left) {
    more++;
    if (!isUsual(key) && !hasSame(left, right, key)) return false;
  }
  for (const _ in right) more--;
  return more === 0;
}

function isSameMetadata(a: Instance['metadata'] | undefined, b: Instance['metadata'] | undefined): boolean {
  if (a === b) return true;
  // What a third party's registry gives may lack it.
  if (!a || !b) return isEmpty(a) && isEmpty(b);
  let more = 0;
  for (const key in a) {
    more++;
    if (!hasSame(a, b, key)) return false;
  }
  for (const _ in b) more--;
  return more === 0;
}

function isEmpty(metadata: Instance['metadata'] | undefined): boolean {
  for (const _ in metadata) return false;
  return true;
}

function hasSame(left: Readonly<Record<string, unknown>>, right: Readonly<Record<string, unknown>>, key: string): boolean {
  const value = left[key];
  return value === undefined ? right[key] === undefined && Object.hasOwn(right, key) : Object.is(value, right[key]);
}
