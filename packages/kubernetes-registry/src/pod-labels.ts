/** Labels by which pods tell their tag: one place for whoever writes, injects and reads them. */
import { LANE_METADATA_KEY } from '@lane/core/model';

/** The tag of a pod. */
export const TAG_LABEL = 'lane.dev/tag';
/** The same in MSE's words; the other one counts first. */
export const MSE_TAG_LABEL = 'alicloud.service.tag';

/** The same in OpenSergo's (opensergo/opensergo-specification, zh-Hans/traffic-routing.md), which counts last. */
export const OPENSERGO_TAG_LABEL = 'traffic.opensergo.io/label';

/** Zone and region of a node (https://kubernetes.io/docs/reference/labels-annotations-taints/); its pods have them since Kubernetes 1.35 (KEP-4742). */
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
export const REGION_LABEL = 'topology.kubernetes.io/region';

/** Labels of an object. */
export type Labels = Readonly<Record<string, string>>;

/** A pod's tag as metadata of its instance, by the precedence of the injector: a label of ours counts even where it is empty. */
export function metadataOfLabels(labels: Labels | undefined): Readonly<Record<string, string>> {
  const own = labels?.[TAG_LABEL];
  if (own !== undefined) return { [LANE_METADATA_KEY]: own };
  for (const label of [MSE_TAG_LABEL, OPENSERGO_TAG_LABEL]) {
    const value = labels?.[label];
    if (value !== undefined) return { [label]: value };
  }
  return {};
}

/** Where a pod says that it is, as metadata of its instance. */
export function placeOfLabels(labels: Labels | undefined): Readonly<Record<string, string>> {
  const place: Record<string, string> = {};
  for (const label of [ZONE_LABEL, REGION_LABEL]) {
    const value = labels?.[label];
    if (value !== undefined) place[label] = value;
  }
  return place;
}
