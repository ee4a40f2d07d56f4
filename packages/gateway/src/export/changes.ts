/** What has changed from one plan to the next, in words. */
import type { Plan, PlannedRoute } from './plan.js';

/** The named parts of a plan. */
export interface PlanSummary {
  /** A rule's content, by its name. */
  readonly rules: ReadonlyMap<string, string>;
  /** Addresses, by the name of the upstream. */
  readonly upstreams: ReadonlyMap<string, ReadonlySet<string>>;
  /** The name of the upstream, by route and lane. */
  readonly targets: ReadonlyMap<string, string>;
}

/** Summarises a plan. */
export function summaryOf(plan: Plan): PlanSummary {
  const rules = new Map<string, string>();
  const targets = new Map<string, string>();
  for (const route of plan.routes) {
    for (const { name, ...rule } of route.rules) rules.set(name, JSON.stringify(rule));
    for (const tag of [undefined, ...route.tags])
      targets.set(`${nameOf(route)} in ${tag === undefined ? 'base' : `lane ${tag}`}`, route.upstreamOf(tag)?.name ?? 'nothing (503)');
  }
  const upstreams = new Map(
    plan.upstreams.map(({ name, instances }) => [
      name,
      new Set(instances.map(({ ip, port, weight }) => `${ip}:${port}${weight === 1 ? '' : ` of weight ${weight}`}`)),
    ]),
  );
  return { rules, upstreams, targets };
}

function nameOf({ host, path, isDefault }: PlannedRoute): string {
  return isDefault ? 'any other request' : `${host}${path}`;
}

/** What has changed, one line for each rule, upstream and target; empty: nothing named. `before` undefined: everything is new. */
export function changesBetween(before: PlanSummary | undefined, after: PlanSummary): readonly string[] {
  const lines: string[] = [];
  const { rules = new Map<string, string>(), upstreams = new Map<string, ReadonlySet<string>>(), targets = new Map<string, string>() } = before ?? {};
  for (const [name, rule] of after.rules) if (rules.get(name) !== rule) lines.push(`rule ${name} ${rules.has(name) ? 'changed' : 'added'}`);
  for (const name of rules.keys()) if (!after.rules.has(name)) lines.push(`rule ${name} removed`);
  for (const [name, addresses] of after.upstreams) {
    const known = upstreams.get(name) ?? new Set<string>();
    const changes = [
      ...[...addresses].filter((one) => !known.has(one)).map((one) => `+${one}`),
      ...[...known].filter((one) => !addresses.has(one)).map((one) => `-${one}`),
    ];
    if (changes.length > 0) lines.push(`upstream ${name}: ${known.size} → ${addresses.size} instances (${changes.join(', ')})`);
  }
  for (const name of upstreams.keys()) if (!after.upstreams.has(name)) lines.push(`upstream ${name} removed`);
  if (before === undefined) return lines;
  for (const [name, target] of after.targets) {
    const known = targets.get(name);
    if (known !== undefined && known !== target) lines.push(`${name}: ${known} → ${target}`);
  }
  return lines;
}
