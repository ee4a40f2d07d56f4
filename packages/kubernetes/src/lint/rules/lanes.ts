import { MSE_TAG_LABEL, TAG_LABEL } from '../../injector/names.js';
import type { Found, LintRule } from '../finding.js';
import { selects, textOf, type Manifests, type Workload } from '../manifests.js';
import { similarName } from '../similar-name.js';

const STAMPING = new Set(['LANE_STAMP', 'profiler.micro.service.tag.trace.enable']);

/** What pods of a workload are a service of, as far as can be told. */
function nameOf({ service, labels, resource }: Workload): string {
  return service ?? textOf(labels['app'] ?? labels['app.kubernetes.io/name'] ?? resource.name);
}

/** A lane's instances without a base beside them: untagged requests find nobody. */
export const tagWithoutBase: LintRule = {
  severity: 'warning',
  about: 'Pods of a lane have no base beside them: untagged requests to the service, and those of other lanes, find nobody.',
  *find({ workloads }) {
    for (const workload of workloads) {
      const { resource, tag, labels, labelsPath } = workload;
      if (tag === undefined) continue;
      const name = nameOf(workload);
      const base = workloads.filter((one) => one.tag === undefined && one.resource.namespace === resource.namespace);
      if (base.some((one) => nameOf(one) === name)) continue;
      const nearest = similarName(name, base.map(nameOf));
      const label = TAG_LABEL in labels ? TAG_LABEL : MSE_TAG_LABEL;
      yield {
        ...resource.place([...labelsPath, label]),
        resource: resource.title,
        reference: name,
        ...(nearest === undefined ? {} : { nearest }),
        message: `these pods are lane ${tag} of service ${name}, which has no base: add a workload of that service without the tag${nearest === undefined ? '' : `, or did you mean service ${nearest}?`}`,
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
      for (const { env } of workload.containers) {
        for (const { name, value, path } of env) {
          if (!STAMPING.has(name) || String(value) !== 'true') continue;
          const problem = stampingProblem(workload, manifests);
          if (problem !== undefined) yield { ...workload.resource.place([...path, 'value']), resource: workload.resource.title, ...problem };
        }
      }
    }
  },
};

function stampingProblem(workload: Workload, { workloads, services, backends }: Manifests): Pick<Found, 'message' | 'reference'> | undefined {
  if (workload.tag === undefined) return { message: 'stamping has no effect on pods without a tag: take it away here, or give them a tag' };
  const leading = services.filter((service) => selects(service, workload));
  const mixed = leading.find((service) => workloads.some((one) => one.tag === undefined && selects(service, one)));
  if (mixed !== undefined) {
    return {
      reference: mixed.resource.name,
      message: `Service ${mixed.resource.name} leads to these pods and to base ones: what base gets through it is stamped ${workload.tag} at random. Give the lane a Service of its own, or stop stamping`,
    };
  }
  if (backends.length === 0) return undefined;
  const isEntry = backends.some((backend) =>
    leading.some(({ resource }) => resource.name === backend.service || similarName(backend.service, [resource.name]) !== undefined),
  );
  if (isEntry) return undefined;
  return {
    message: `no Ingress leads to these pods, and they stamp: an untagged request that strays here goes on in lane ${workload.tag}. Stamp at the entry only`,
  };
}
