/**
 * Higress: an Ingress for each alternative of a rule. Its annotations compare methods, headers and queries; they set and remove
 * headers, but don't edit them, so the client's other baggage is dropped.
 */
import type { Tag } from '@lane/core/model';
import { alternativesOf, encodedText, wholeRegex, type Leaf } from './condition.js';
import { headerTest, noteTwice } from './envoy-match.js';
import { objectNames, serviceFor } from './kubernetes-service.js';
import { hostsOf, isHost, routesOfHost, takesEveryPath, type Plan, type PlannedRoute, type PlannedRule } from './plan.js';
import type { ExportTarget } from './target.js';
import { toYaml } from './yaml.js';

const PREFIX = 'higress.io';

/** Higress. */
export const higress: ExportTarget = {
  name: 'higress',
  title: 'Higress 2',
  output: 'Ingresses',
  file: 'lane-higress.yaml',
  needsAddresses: false,
  write: (plan) => toYaml(...ingressesOf(plan)),
};

function ingressesOf(plan: Plan): object[] {
  const nameOf = objectNames();
  plan.gap('the client’s other baggage is not kept: annotations can’t edit a header');
  const ingresses: object[] = [];
  const hosts = new Set(hostsOf(plan));
  // A rule with a host becomes an Ingress of that host.
  for (const route of plan.routes)
    for (const rule of route.rules)
      for (const leaf of (rule.condition === undefined ? undefined : alternativesOf(rule.condition))?.flat() ?? [])
        if (route.host === '*' && leaf.subject.kind === 'host' && !leaf.negated && leaf.comparison.op === 'exact' && isHost(leaf.comparison.value))
          hosts.add(leaf.comparison.value);
  for (const host of hosts) {
    for (const route of routesOfHost(plan, host)) {
      const shares = { taken: 0 };
      for (const rule of route.rules)
        for (const annotations of annotationsOf(plan, route, rule, host, shares))
          ingresses.push(ingressOf(plan, route, rule.tag, host, annotations, nameOf('lane', rule.name)));
      ingresses.push(ingressOf(plan, route, route.tag, host, {}, nameOf('lane', route.service)));
    }
  }
  if (plan.routes.some(({ rules }) => rules.length > 1))
    plan.note('if several rules match, Higress uses the one with the most comparisons, not the first');
  return ingresses;
}

function ingressOf(
  plan: Plan,
  route: PlannedRoute,
  tag: Tag | undefined,
  host: string,
  matching: Readonly<Record<string, string>>,
  name: string,
): object {
  const written = new Map<string, string>();
  if (tag !== undefined) {
    if (plan.writtenEntries.length > 0) written.set('baggage', plan.writtenEntries.map(({ textOf }) => textOf(tag)).join(','));
    for (const header of plan.writtenHeaders) written.set(header.name, header.valueOf(tag));
  }
  const removed = ['baggage', ...plan.ownHeaders].filter((header) => !written.has(header));
  const { name: service, port } = serviceFor(plan, route, tag);
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      name,
      annotations: {
        ...matching,
        ...(written.size === 0
          ? {}
          : { [`${PREFIX}/request-header-control-update`]: [...written].map(([key, value]) => `${key} ${value}`).join('\n') }),
        [`${PREFIX}/request-header-control-remove`]: removed.join(','),
      },
    },
    spec: {
      ingressClassName: 'higress',
      rules: [
        {
          ...(host === '*' ? {} : { host }),
          http: {
            paths: [
              {
                path: takesEveryPath(route) ? '/' : route.path,
                pathType: route.pathType === 'exact' ? 'Exact' : 'Prefix',
                backend: { service: { name: service, port: { number: port } } },
              },
            ],
          },
        },
      ],
    },
  };
}

/** The total of canaries' weights. */
const ALL = 10_000;

/** The annotations of each alternative of a rule on a host; none, and a report, if it can't be expressed. */
function annotationsOf(plan: Plan, route: PlannedRoute, rule: PlannedRule, host: string, shares: { taken: number }): Array<Record<string, string>> {
  const leaveOut = (why: string): [] => {
    plan.gap(`${why}; the rule is left out`, rule);
    return [];
  };
  if (rule.percent === 0) return [];
  if (rule.by !== undefined) return leaveOut('a sticky share can’t be expressed');
  const alternatives = rule.condition === undefined ? [[]] : alternativesOf(rule.condition);
  if (alternatives === undefined) return leaveOut('the condition has too many alternatives');
  noteTwice(plan, rule, alternatives.flat(), ['cookie']);
  const all: Array<Record<string, string>> = [];
  for (const leaves of alternatives) {
    const annotations: Record<string, string> = {};
    let elsewhere = false;
    for (const leaf of leaves) {
      if (leaf.subject.kind === 'host' && !leaf.negated && leaf.comparison.op === 'exact') {
        if (leaf.comparison.value !== host) elsewhere = true;
        continue;
      }
      const made = annotationOf(leaf, route);
      if (typeof made === 'string') return leaveOut(made);
      if (!isAnnotation(made[0]))
        return leaveOut(`${JSON.stringify(leaf.subject.kind === 'query' ? leaf.subject.name : made[0])} can’t be part of an annotation’s name`);
      if (Object.hasOwn(annotations, made[0])) return leaveOut('two comparisons of one value');
      annotations[made[0]] = made[1];
    }
    if (!elsewhere) all.push(annotations);
  }
  if (rule.percent === undefined || all.length === 0) return all;
  if (all.some((annotations) => Object.keys(annotations).length > 0))
    return leaveOut('a share can’t be expressed beside a condition on more than the host');
  // A canary's Ingress has its own headers. Earlier ones have taken their share.
  const weight = Math.round((ALL - shares.taken) * (rule.percent / 100));
  shares.taken += weight;
  return [{ [`${PREFIX}/canary`]: 'true', [`${PREFIX}/canary-weight`]: String(weight), [`${PREFIX}/canary-weight-total`]: String(ALL) }];
}

/** Whether this is a valid annotation name (a qualified name): otherwise Kubernetes refuses the whole object. */
function isAnnotation(name: string): boolean {
  return /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(name.slice(PREFIX.length + 1));
}

function annotationOf(leaf: Leaf, route: PlannedRoute): readonly [name: string, value: string] | string {
  const { subject, comparison, negated } = leaf;
  if (negated) return 'a negation can’t be expressed';
  switch (subject.kind) {
    case 'clientIp':
      return 'clients’ addresses can’t be matched';
    case 'host':
      return 'only whole hosts can be compared';
    case 'path':
      return `a comparison of the path can’t be expressed beside the route’s own (${route.path}): make it a route`;
    case 'method':
      if (comparison.op === 'exact') return [`${PREFIX}/match-method`, comparison.value.toUpperCase()];
      return comparison.op === 'in' ? [`${PREFIX}/match-method`, comparison.values.join(' ').toUpperCase()] : 'only whole methods can be compared';
    case 'header':
      if (comparison.op === 'exact') return [`${PREFIX}/exact-match-header-${subject.name}`, comparison.value];
      if (comparison.op === 'prefix') return [`${PREFIX}/prefix-match-header-${subject.name}`, comparison.value];
      return [`${PREFIX}/regex-match-header-${subject.name}`, comparison.op === 'present' ? '.*' : wholeRegex(comparison)];
    case 'cookie': {
      const test = headerTest(leaf);
      return typeof test === 'string' ? test : [`${PREFIX}/regex-match-header-cookie`, (test.match as { regex: string }).regex];
    }
    case 'query':
      return [`${PREFIX}/regex-match-query-${subject.name}`, comparison.op === 'present' ? '.*' : wholeRegex(comparison, encodedText('query'))];
  }
}
