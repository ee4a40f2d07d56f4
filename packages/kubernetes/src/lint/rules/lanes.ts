import { nearest as nearestOf } from '@lane/core/model';
import { MSE_TAG_LABEL } from '../../injector/names.js';
import type { Found } from '../finding.js';
import type { LintRule } from '../lint-rule.js';
import { at, isSameNamespace, selects, textOf, type Manifests, type Workload } from '../manifests.js';

/** A name that may be right is not reported. */
const SURELY = { surely: true };

const STAMPING = new Set(['LANE_STAMP', 'profiler.micro.service.tag.trace.enable']);
/** Values that the agent reads as true. */
const YES = /^(?:true|1|on|yes)$/i;
/** Labels that commonly identify a workload. */
const NAME_LABELS = ['app', 'app.kubernetes.io/name', 'app.kubernetes.io/instance', 'k8s-app', 'name'];

/** All possible service names of its pods, the most certain first. */
function namesOf({ service, labels, resource }: Workload): string[] {
  return [
    ...(service === undefined ? [] : [service]),
    ...NAME_LABELS.flatMap((label) => (labels[label] === undefined ? [] : textOf(labels[label]))),
    resource.name,
  ];
}

/** Whether pods without a tag can be the base of those with one. If only the app knows its service name, the names of the workloads decide. */
function isBaseOf(base: Workload, tagged: Workload): boolean {
  const names = namesOf(base);
  if (tagged.service !== undefined && (base.service !== undefined || names.includes(tagged.service))) return names.includes(tagged.service);
  return namesOf(tagged).some((name) => names.some((other) => name === other || name.startsWith(`${other}-`) || other.startsWith(`${name}-`)));
}

/** A lane without a base: untagged requests find no instance. */
export const tagWithoutBase: LintRule = {
  severity: 'warning',
  about: 'A lane has pods but no base: untagged requests to the service, and those of other lanes, find no instance.',
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
          `these pods are lane ${tag} of ${service === undefined ? name : `service ${name}`}, but no manifest here has its base: ` +
          (nearest === undefined ? 'add a workload of that service without the tag' : `did you mean service ${nearest}?`),
      };
    }
  },
};

/** Stamp only where the traffic of a lane enters. */
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
    return { message: `stamping has no effect on pods without a tag: remove it here, or tag them with the label ${MSE_TAG_LABEL}` };
  }
  const leading = services.filter((service) => selects(service, workload));
  const mixed = leading.find((service) => workloads.some((one) => one.tag === undefined && selects(service, one)));
  if (mixed !== undefined) {
    return {
      reference: mixed.resource.name,
      message: `Service ${mixed.resource.name} selects both these pods and base pods, so base requests are stamped ${workload.tag} at random. Give the lane its own Service, or stop stamping`,
    };
  }
  // If the manifests have no entry, or one that we do not understand (Istio, a custom gateway), this may be the entry.
  if (backends.length === 0 || resources.some(({ kind }) => ['VirtualService', 'HTTPProxy', 'IngressRoute', 'ApisixRoute'].includes(kind)))
    return undefined;
  const isEntry = leading.some(
    ({ resource }) =>
      ['NodePort', 'LoadBalancer'].includes(textOf(at(resource.value, ['spec', 'type']) ?? '')) ||
      backends.some(({ service }) => service === resource.name || nearestOf(service, [resource.name], SURELY) !== undefined),
  );
  if (isEntry) return undefined;
  return {
    message: `no Ingress leads to these pods, and they stamp: an untagged request that reaches them continues in lane ${workload.tag}. Stamp only at the entry`,
  };
}
