/** All labels, annotations and paths between users and the injector. */

/** The tag, which the injector writes into pods and the registry reads from them. */
export { MSE_TAG_LABEL, TAG_LABEL } from '@lane/kubernetes-registry';

/** Of a namespace: `enabled` injects its pods. */
export const NAMESPACE_LABEL = 'lane.dev/injection';
/** MSE's equivalent; its console sets it for "Namespace Access". */
export const MSE_NAMESPACE_LABEL = 'mse-enable';
/** Label or annotation of a pod: `true` or `enabled` injects it, `false` or `disabled` skips it. Overrides everything else. */
export const INJECT = 'lane.dev/inject';
/** Label of a pod: name of the service. */
export const SERVICE_LABEL = 'lane.dev/service';
/** MSE's equivalent. */
export const MSE_INJECT_LABEL = 'msePilotAutoEnable';
export const MSE_SERVICE_LABEL = 'msePilotCreateAppName';
export const MSE_GOVERNANCE_NAMESPACE_LABEL = 'mseNamespace';
/** Annotation: a comma-separated list of containers to inject, which may include init containers and native sidecars; others are left alone. */
export const CONTAINERS_ANNOTATION = 'lane.dev/containers';
/** Annotation written by the injector: its decision, and why. */
export const STATUS_ANNOTATION = 'lane.dev/status';
/** Annotation of static pods, which the kubelet reads from files and which can't be changed. */
export const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

/** Mount path of the agent, and the file that containers load. */
export const AGENT_PATH = '/lane';
export const REGISTER_FILE = '/lane/register.cjs';
export const DRAIN_FILE = '/lane/drain.cjs';
/** Where the agent looks for the pod's labels. */
export const LABELS_PATH = '/etc/podinfo';

/** The init container and the volumes. */
export const AGENT_CONTAINER = 'lane-agent';
export const AGENT_VOLUME = 'lane-agent';
export const LABELS_VOLUME = 'lane-podinfo';
/** Holds the app's own NODE_OPTIONS if they come by `valueFrom`. */
export const APP_NODE_OPTIONS = 'LANE_APP_NODE_OPTIONS';
