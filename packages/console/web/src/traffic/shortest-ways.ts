import type { Traffic } from '@lane/console';

type Calls = ReadonlyArray<Pick<Traffic['edges'][number], 'from' | 'to' | 'count'>>;

/**
 * Picks one caller of each service: the busiest of those with the fewest hops from an entry. The graph is then as wide as call chains are deep.
 * (With the busiest caller overall, hundreds of services may form one long row.)
 */
export function shortestWays(services: readonly string[], calls: Calls): ReadonlyArray<readonly [from: string, to: string]> {
  const callees = new Map<string, Map<string, number>>();
  const callers = new Map<string, Set<string>>();
  for (const { from, to, count } of calls) {
    if (from.service === to.service) continue;
    const known = callees.get(from.service) ?? new Map<string, number>();
    callees.set(from.service, known.set(to.service, (known.get(to.service) ?? 0) + count));
    callers.set(to.service, (callers.get(to.service) ?? new Set()).add(from.service));
  }
  const ways: Array<readonly [string, string]> = [];
  const reached = new Set<string>();
  const spread = (starts: readonly string[]): void => {
    for (const start of starts) reached.add(start);
    for (let level = starts; level.length > 0;) {
      const next = new Map<string, { readonly from: string; readonly count: number }>();
      for (const from of level)
        for (const [to, count] of callees.get(from) ?? []) if (!reached.has(to) && count > (next.get(to)?.count ?? -1)) next.set(to, { from, count });
      for (const [to, { from }] of next) {
        reached.add(to);
        ways.push([from, to]);
      }
      level = [...next.keys()];
    }
  };
  spread(services.filter((service) => !callers.has(service)));
  // The rest are cycles without a caller outside: start those at the service with the largest surplus of callees.
  const surplus = (service: string): number => (callees.get(service)?.size ?? 0) - (callers.get(service)?.size ?? 0);
  for (const service of services.toSorted((a, b) => surplus(b) - surplus(a) || (a < b ? -1 : 1))) if (!reached.has(service)) spread([service]);
  return ways;
}
