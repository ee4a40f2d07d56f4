/** All labels, annotations and paths by which people and the injector speak to each other. */

/** The tag: what the injector writes into pods, and what the registry reads off them. */
export { MSE_TAG_LABEL, TAG_LABEL } from '@lane/kubernetes-registry';

/** Of a namespace: `enabled` injects its pods. */
export const NAMESPACE_LABEL = 'lane.dev/injection';
/** The same in MSE's words; its console sets it for "Namespace Access". */
export const MSE_NAMESPACE_LABEL = 'mse-enable';
/** Of a pod, label or annotation: `true` or `enabled` injects it, `false` or `disabled` leaves it alone, whatever else is said. */
export const INJECT = 'lane.dev/inject';
/** Label of a pod: name of the service. */
export const SERVICE_LABEL = 'lane.dev/service';
/** The same in MSE's words. */
export const MSE_INJECT_LABEL = 'msePilotAutoEnable';
export const MSE_SERVICE_LABEL = 'msePilotCreateAppName';
export const MSE_GOVERNANCE_NAMESPACE_LABEL = 'mseNamespace';
/** Annotation: a comma list of containers to inject, init containers and native sidecars among them; others are left alone. */
export const CONTAINERS_ANNOTATION = 'lane.dev/containers';
/** Annotation, written by the injector: what was decided, and why. */
export const STATUS_ANNOTATION = 'lane.dev/status';
/** Of pods that the kubelet reads from files: they can't be changed. */
export const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

/** Where containers see the agent, and what of it is loaded. */
export const AGENT_PATH = '/lane';
export const REGISTER_FILE = '/lane/register.cjs';
export const DRAIN_FILE = '/lane/drain.cjs';
/** Where the agent looks for the pod's labels. */
export const LABELS_PATH = '/etc/podinfo';

/** The init container and the volumes. */
export const AGENT_CONTAINER = 'lane-agent';
export const AGENT_VOLUME = 'lane-agent';
export const LABELS_VOLUME = 'lane-podinfo';
/** Holds what NODE_OPTIONS of the app was, where that comes from elsewhere. */
export const APP_NODE_OPTIONS = 'LANE_APP_NODE_OPTIONS';
