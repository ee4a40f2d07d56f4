/** Writes entry rules and routes for gateways that people run already. */
import { exportApisix } from './apisix.js';
import { exportEnvoy } from './envoy.js';
import { exportHaproxy } from './haproxy.js';
import { exportHigress } from './higress.js';
import { exportIstio } from './istio.js';
import { exportNginx } from './nginx.js';
import { planExport, type ExportSource, type Plan, type Remark } from './plan.js';
import { exportSpringCloudGateway } from './spring-cloud-gateway.js';

export type { ExportSource, Remark } from './plan.js';

const EXPORTERS = {
  nginx: exportNginx,
  haproxy: exportHaproxy,
  envoy: exportEnvoy,
  'spring-cloud-gateway': exportSpringCloudGateway,
  apisix: exportApisix,
  istio: exportIstio,
  higress: exportHigress,
} satisfies Record<string, (plan: Plan) => string>;

/** A gateway that can be written for. */
export type ExportTarget = keyof typeof EXPORTERS;

/** All of them. */
export const EXPORT_TARGETS = Object.keys(EXPORTERS) as readonly ExportTarget[];

/** Those that name Services of Kubernetes, and need no addresses. */
const OF_KUBERNETES: ReadonlySet<ExportTarget> = new Set(['istio', 'higress']);

/** A configuration, and what it does not say, or says in its own way. */
export interface Exported {
  readonly text: string;
  readonly remarks: readonly Remark[];
}

/** Writes the configuration of a gateway: the same text for the same source. */
export function exportRules(target: ExportTarget, source: ExportSource): Exported {
  const plan = planExport(source, !OF_KUBERNETES.has(target));
  // Twice: what is found out while writing stands in front of it.
  EXPORTERS[target](plan);
  return { text: EXPORTERS[target](plan), remarks: plan.remarks };
}
