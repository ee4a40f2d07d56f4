/** Pod labels with the tag: one place for code that writes, injects and reads them. */
import { LANE_METADATA_KEY } from '@lane/core/model';

/** The tag of a pod. */
export const TAG_LABEL = 'lane.dev/tag';
/** MSE's label; ours takes precedence. */
export const MSE_TAG_LABEL = 'alicloud.service.tag';

/** OpenSergo's label (opensergo/opensergo-specification, zh-Hans/traffic-routing.md), which has the lowest precedence. */
export const OPENSERGO_TAG_LABEL = 'traffic.opensergo.io/label';

/** Zone and region of a node (https://kubernetes.io/docs/reference/labels-annotations-taints/); its pods have them since Kubernetes 1.35 (KEP-4742). */
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
export const REGION_LABEL = 'topology.kubernetes.io/region';

/** Labels of an object. */
export type Labels = Readonly<Record<string, string>>;

/** A pod's tag as metadata of its instance, with the injector's precedence: our label counts even if it is empty. */
export function metadataOfLabels(labels: Labels | undefined): Readonly<Record<string, string>> {
  const own = labels?.[TAG_LABEL];
  if (own !== undefined) return { [LANE_METADATA_KEY]: own };
  for (const label of [MSE_TAG_LABEL, OPENSERGO_TAG_LABEL]) {
    const value = labels?.[label];
    if (value !== undefined) return { [label]: value };
  }
  return {};
}

/** A pod's place, as metadata of its instance. */
export function placeOfLabels(labels: Labels | undefined): Readonly<Record<string, string>> {
  const place: Record<string, string> = {};
  for (const label of [ZONE_LABEL, REGION_LABEL]) {
    const value = labels?.[label];
    if (value !== undefined) place[label] = value;
  }
  return place;
}
