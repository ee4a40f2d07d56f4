import { nearest as nearestOf } from '@lane/core/model';
import { MSE_TAG_LABEL } from '../../injector/names.js';
import type { Found } from '../finding.js';
import type { LintRule } from '../lint-rule.js';
import { at, isSameNamespace, selects, textOf, type Manifests, type Workload } from '../manifests.js';

/** What may be another name is not called a mistake. */
const SURELY = { surely: true };

const STAMPING = new Set(['LANE_STAMP', 'profiler.micro.service.tag.trace.enable']);
/** What the agent takes for yes. */
const YES = /^(?:true|1|on|yes)$/i;
/** Labels by which workloads are commonly told apart. */
const NAME_LABELS = ['app', 'app.kubernetes.io/name', 'app.kubernetes.io/instance', 'k8s-app', 'name'];

/** All that its pods may be called, the surest first. */
function namesOf({ service, labels, resource }: Workload): string[] {
  return [
    ...(service === undefined ? [] : [service]),
    ...NAME_LABELS.flatMap((label) => (labels[label] === undefined ? [] : textOf(labels[label]))),
    resource.name,
  ];
}

/** Whether pods without a tag may be the base of those with one. A service that is not named is known to the app alone: then names decide. */
function isBaseOf(base: Workload, tagged: Workload): boolean {
  const names = namesOf(base);
  if (tagged.service !== undefined && (base.service !== undefined || names.includes(tagged.service))) return names.includes(tagged.service);
  return namesOf(tagged).some((name) => names.some((other) => name === other || name.startsWith(`${other}-`) || other.startsWith(`${name}-`)));
}

/** A lane's instances without a base beside them: untagged requests find nobody. */
export const tagWithoutBase: LintRule = {
  severity: 'warning',
  about: 'Pods of a lane have no base beside them: untagged requests to the service, and those of other lanes, find nobody.',
  *find({ workloads }) {
    for (const workload of workloads) {
      const { resource, tag, tagPath, service } = workload;
      if (tag === undefined || workload.isPatch) continue;
      const bases = workloads.filter((one) => one.tag === undefined && isSameNamespace(one.resource, resource));
      if (bases.some((one) => isBaseOf(one, workload))) continue;
      const [name = resource.name] = namesOf(workload);
      const nearest = nearestOf(
        name,
        bases.flatMap((one) => namesOf(one).slice(0, 1)),
        SURELY,
      );
      yield {
        ...resource.place(tagPath),
        resource: resource.title,
        reference: name,
        ...(nearest === undefined ? {} : { nearest }),
        message:
          `these pods are lane ${tag} of ${service === undefined ? name : `service ${name}`}, of which no manifest here has the base: ` +
          (nearest === undefined ? 'add a workload of that service without the tag' : `did you mean service ${nearest}?`),
      };
    }
  },
};

/** Stamping belongs where traffic of a lane enters, and nowhere else. */
export const stampingHarmful: LintRule = {
  severity: 'warning',
  about: 'Pods stamp untagged requests where that has no effect, or puts base traffic into a lane.',
  *find(manifests) {
    for (const workload of manifests.workloads) {
      if (workload.isPatch) continue;
      for (const { env } of workload.containers) {
        for (const { name, value, path } of env) {
          if (!STAMPING.has(name) || !YES.test(String(value))) continue;
          const problem = stampingProblem(workload, manifests);
          if (problem !== undefined) yield { ...workload.resource.place([...path, 'value']), resource: workload.resource.title, ...problem };
        }
      }
    }
  },
};

function stampingProblem(
  workload: Workload,
  { resources, workloads, services, backends }: Manifests,
): Pick<Found, 'message' | 'reference'> | undefined {
  if (workload.tag === undefined) {
    return { message: `stamping has no effect on pods without a tag: take it away here, or give them a tag by the label ${MSE_TAG_LABEL}` };
  }
  const leading = services.filter((service) => selects(service, workload));
  const mixed = leading.find((service) => workloads.some((one) => one.tag === undefined && selects(service, one)));
  if (mixed !== undefined) {
    return {
      reference: mixed.resource.name,
      message: `Service ${mixed.resource.name} leads to these pods and to base ones: what base gets through it is stamped ${workload.tag} at random. Give the lane a Service of its own, or stop stamping`,
    };
  }
  // Without an entry among the manifests, or with one that is not understood (Istio, a gateway of one's own), this may well be it.
  if (backends.length === 0 || resources.some(({ kind }) => ['VirtualService', 'HTTPProxy', 'IngressRoute', 'ApisixRoute'].includes(kind)))
    return undefined;
  const isEntry = leading.some(
    ({ resource }) =>
      ['NodePort', 'LoadBalancer'].includes(textOf(at(resource.value, ['spec', 'type']) ?? '')) ||
      backends.some(({ service }) => service === resource.name || nearestOf(service, [resource.name], SURELY) !== undefined),
  );
  if (isEntry) return undefined;
  return {
    message: `no Ingress leads to these pods, and they stamp: an untagged request that strays here goes on in lane ${workload.tag}. Stamp at the entry only`,
  };
}
