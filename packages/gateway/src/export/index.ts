/** Writes entry rules and routes for gateways that people run already. */
import { apisix } from './apisix.js';
import { envoy } from './envoy.js';
import { haproxy } from './haproxy.js';
import { higress } from './higress.js';
import { istio } from './istio.js';
import { nginx } from './nginx.js';
import { planExport, printable, type ExportSource, type Plan, type Remark } from './plan.js';
import { springCloudGateway } from './spring-cloud-gateway.js';
import type { ExportTarget } from './target.js';

export {
  ExportError,
  isComplete,
  planExport,
  type ExportSource,
  type Plan,
  type PlannedRoute,
  type PlannedRule,
  type Remark,
  type Upstream,
} from './plan.js';
export type { Comparison, Condition, Leaf, Subject } from './condition.js';
export { changesBetween, summaryOf, type PlanSummary } from './changes.js';
export { exportTargetOf, type ExportTarget } from './target.js';

export { toYaml } from './yaml.js';

/** All our targets. A new one is a file, and a row here, which the command's help, its completion and README's test use. */
export const EXPORT_TARGETS: readonly ExportTarget[] = [nginx, haproxy, envoy, springCloudGateway, istio, higress, apisix];

/** One of our targets by its name; undefined if there is none. */
export function exportTarget(name: string): ExportTarget | undefined {
  return EXPORT_TARGETS.find((target) => target.name === name);
}

/** A configuration, and what it does not express, or expresses differently. */
export interface Exported {
  readonly text: string;
  readonly remarks: readonly Remark[];
}

/** Writes the configuration of a gateway, given by its name or as a target: the same text for the same source. Throws {@link ExportError}. */
export function exportRules(target: string | ExportTarget, source: ExportSource): Exported {
  const of = typeof target === 'string' ? targetNamed(target) : target;
  return exportPlan(of, planExport(source, of.needsAddresses));
}

/** Writes a plan, once. */
export function exportPlan(of: ExportTarget, plan: Plan): Exported {
  const body = of.write(plan);
  const lines = [
    `Lane: entry rules and routes for ${of.title}, written by \`lane gateway export ${of.name}\`: ${of.output}.`,
    ...plan.remarks.map(
      ({ kind, rule, message }) => `${kind === 'gap' ? 'NOT EXPRESSED' : 'note'}: ${rule === undefined ? '' : `rule ${rule}: `}${message}`,
    ),
  ];
  const head = lines.map((line) => `${of.comment ?? '#'} ${printable(line)}`).join('\n');
  return { text: `${head}\n${body}`, remarks: plan.remarks };
}

function targetNamed(name: string): ExportTarget {
  const target = exportTarget(name);
  if (target === undefined)
    throw new TypeError(`${name} is not an export target: must be one of ${EXPORT_TARGETS.map((one) => one.name).join(', ')}`);
  return target;
}
