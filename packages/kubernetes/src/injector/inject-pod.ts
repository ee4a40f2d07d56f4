/** What the injector does to a pod: a pure function, so that `lane injector`, tests and tools get the same result. */
import { compare, type Operation } from 'fast-json-patch';
import { isTag, TAG_RULE } from '@lane/core/model';
import { agentContainer, agentVolume, labelsVolume, type AgentResources, type Delivery } from './agent-volume.js';
import { lookAt } from './looks-like-node.js';
import {
  AGENT_CONTAINER,
  AGENT_PATH,
  AGENT_VOLUME,
  CONTAINERS_ANNOTATION,
  DRAIN_FILE,
  LABELS_PATH,
  LABELS_VOLUME,
  MSE_GOVERNANCE_NAMESPACE_LABEL,
  MSE_SERVICE_LABEL,
  MSE_TAG_LABEL,
  SERVICE_LABEL,
  STATUS_ANNOTATION,
  TAG_LABEL,
} from './names.js';
import { nodeOptionsWarning, withNodeOptions } from './node-options.js';
import { isWanted } from './wanted.js';
import type { Container, EnvironmentVariable, Pod, VolumeMount } from '../pod.js';

const ADMIN_PORT = 'LANE_ADMIN_PORT';

/** How pods are injected, the same for a whole cluster. */
export interface InjectOptions {
  /** Image with the agent. */
  readonly image: string;
  readonly delivery: Delivery;
  readonly resources: AgentResources;
  /** Variables for every container that does not set them, such as LANE_NACOS_SERVER. */
  readonly env: Readonly<Record<string, string>>;
  /** LANE_ADMIN_PORT of the first container; each further one gets the next port. undefined: no admin port, so no drain before a stop. */
  readonly adminPort: number | undefined;
  /** MSE's governance namespaces: name, Nacos namespace id. */
  readonly governanceNamespaces: Readonly<Record<string, string>>;
}

/** Defaults of {@link InjectOptions}, except the image. */
export const INJECT_DEFAULTS: Omit<InjectOptions, 'image'> = {
  delivery: 'init',
  resources: { cpu: '50m', memory: '32Mi' },
  env: {},
  adminPort: 19100,
  governanceNamespaces: {},
};

/** The result for a pod. */
export interface Injection {
  readonly outcome: 'injected' | 'left-alone';
  /** Why, in one line; the annotation `lane.dev/status`, if it is written. */
  readonly status: string;
  /** JSON Patch (RFC 6902); empty if there is nothing to do, as on a second run. */
  readonly patch: Operation[];
  /** For whoever creates the pod. */
  readonly warnings: string[];
}

/** Decides on a pod, and returns the changes. Idempotent. */
export function injectPod(pod: Pod, namespaceLabels: Readonly<Record<string, string>>, options: InjectOptions): Injection {
  const wanted = isWanted(pod, namespaceLabels);
  if (!wanted.inject) {
    const status = `skipped: ${wanted.because}`;
    return { outcome: 'left-alone', status, patch: wanted.silent ? [] : patchTo(pod, withStatus(pod, status)), warnings: [] };
  }
  const chosen = chooseContainers(pod);
  if (chosen.injected.length === 0) {
    const status = `skipped: no container runs Node (${chosen.told.join('; ')})`;
    return said({ outcome: 'left-alone', status, patch: patchTo(pod, withStatus(pod, status)), warnings: [...chosen.warnings] });
  }

  const warnings = [...chosen.warnings];
  const { spec } = pod;
  const env = podEnvironment(pod, options, warnings);
  const nextAdminPort = spec.hostNetwork === true ? () => undefined : adminPorts(chosen.injected, options.adminPort);
  const injectedNames = new Set(chosen.injected.map(({ name }) => name));
  const inject = (container: Container, ends: boolean): Container =>
    injectedNames.has(container.name)
      ? injectContainer(container, env, ends ? undefined : nextAdminPort, spec.terminationGracePeriodSeconds, warnings)
      : container;
  const containers = spec.containers.map((container) => inject(container, false));
  const initContainers = (spec.initContainers ?? [])
    .filter(({ name }) => name !== AGENT_CONTAINER)
    .map((container) => inject(container, container.restartPolicy !== 'Always'));
  const agent = options.delivery === 'init' ? [agentContainer(spec, options.image, options.resources)] : [];
  const volumes = (spec.volumes ?? []).filter(({ name }) => name !== AGENT_VOLUME && name !== LABELS_VOLUME);
  const status = `injected: ${chosen.told.join('; ')} (${wanted.because})`;
  const injected = withStatus(pod, status);
  injected.spec = {
    ...spec,
    containers,
    // It comes first, because later init containers may be injected.
    ...(agent.length + initContainers.length > 0 ? { initContainers: [...agent, ...initContainers] } : {}),
    volumes: [...volumes, agentVolume(options.delivery, options.image), labelsVolume()],
  };
  if (spec.hostNetwork === true && options.adminPort !== undefined)
    warnings.push('the pod uses hostNetwork, where ports may be in use: LANE_ADMIN_PORT is not set, and the pod is not drained before it stops');
  return said({ outcome: 'injected', status, patch: patchTo(pod, injected), warnings });
}

/** A second run has nothing to add. */
const said = (injection: Injection): Injection => (injection.patch.length === 0 ? { ...injection, warnings: [] } : injection);

const patchTo = (before: Pod, after: Pod): Operation[] => compare(before, after);

function withStatus(pod: Pod, status: string): Pod {
  return { ...pod, metadata: { ...pod.metadata, annotations: { ...pod.metadata?.annotations, [STATUS_ANNOTATION]: status } } };
}

interface Chosen {
  readonly injected: readonly Container[];
  /** One phrase for each container. */
  readonly told: readonly string[];
  readonly warnings: readonly string[];
}

/** The containers that the annotation names; else all except init containers and those that look like other programs than Node. */
function chooseContainers({ metadata, spec }: Pod): Chosen {
  const initContainers = (spec.initContainers ?? []).filter(({ name }) => name !== AGENT_CONTAINER);
  const named = metadata?.annotations?.[CONTAINERS_ANNOTATION]
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const injected: Container[] = [];
  const told: string[] = [];
  const warnings: string[] = [];
  if (named !== undefined) {
    for (const container of [...initContainers, ...spec.containers]) {
      if (!named.includes(container.name)) continue;
      injected.push(container);
      told.push(`${container.name}: named by ${CONTAINERS_ANNOTATION}`);
    }
    const absent = named.filter((name) => !injected.some((container) => container.name === name));
    if (absent.length > 0) {
      warnings.push(`${CONTAINERS_ANNOTATION} names ${absent.join(', ')}, which the pod does not have`);
      told.push(`no container ${absent.join(', ')}`);
    }
  } else {
    for (const container of spec.containers) {
      const { verdict, because } = lookAt(container);
      if (verdict !== 'other') injected.push(container);
      told.push(`${container.name}: ${verdict === 'other' ? 'skipped, ' : ''}${because}`);
    }
  }
  const isFree = (container: Container): boolean => {
    const taken = container.volumeMounts?.some(({ name, mountPath }) => name !== AGENT_VOLUME && mountPath.replace(/\/+$/, '') === AGENT_PATH);
    if (taken === true) {
      warnings.push(`container ${container.name} has its own volume at ${AGENT_PATH}: skipped`);
      told.push(`${container.name}: skipped, ${AGENT_PATH} is taken`);
    }
    return taken !== true;
  };
  return { injected: injected.filter(isFree), told, warnings };
}

/** Variables of all containers of a pod. */
function podEnvironment(pod: Pod, options: InjectOptions, warnings: string[]): EnvironmentVariable[] {
  const labels = pod.metadata?.labels ?? {};
  const env: EnvironmentVariable[] = [];
  const service = labels[SERVICE_LABEL] ?? labels[MSE_SERVICE_LABEL];
  if (service !== undefined && service !== '') env.push({ name: 'LANE_SERVICE', value: service });

  const tag = labels[TAG_LABEL] ?? labels[MSE_TAG_LABEL];
  if (labels[TAG_LABEL] !== undefined && labels[MSE_TAG_LABEL] !== undefined && labels[TAG_LABEL] !== labels[MSE_TAG_LABEL])
    warnings.push(`labels ${TAG_LABEL}: ${labels[TAG_LABEL]} and ${MSE_TAG_LABEL}: ${labels[MSE_TAG_LABEL]} differ: the first counts`);
  if (tag !== undefined && tag !== '') {
    if (isTag(tag)) env.push({ name: 'LANE_TAG', value: tag });
    else warnings.push(`${JSON.stringify(tag)} is not a valid tag: must be ${TAG_RULE}. The pod serves base`);
  }

  const governance = labels[MSE_GOVERNANCE_NAMESPACE_LABEL];
  if (governance !== undefined && governance !== '') {
    const id = options.governanceNamespaces[governance];
    if (id !== undefined) env.push({ name: 'LANE_NACOS_NAMESPACE', value: id });
    else if (governance !== 'default')
      warnings.push(
        `${MSE_GOVERNANCE_NAMESPACE_LABEL}: ${governance} has no namespace in Nacos: lane groups are read in the app's own. Start the injector with --governance-namespace ${governance}=ID`,
      );
  }
  const isSet = new Set(env.map(({ name }) => name));
  for (const [name, value] of Object.entries(options.env)) if (!isSet.has(name)) env.push({ name, value });
  return env;
}

/** Containers of a pod share one address, so each needs its own port. */
function adminPorts(injected: readonly Container[], first: number | undefined): () => string | undefined {
  const taken = new Set(injected.flatMap(({ env = [] }) => env.filter(({ name }) => name === ADMIN_PORT).map(({ value }) => value)));
  let next = first;
  return () => {
    while (next !== undefined && taken.has(String(next))) next++;
    return next === undefined ? undefined : String(next++);
  };
}

/** `nextAdminPort` is absent for an init container that ends by itself: Kubernetes allows no preStop there. */
function injectContainer(
  container: Container,
  podEnv: readonly EnvironmentVariable[],
  nextAdminPort: (() => string | undefined) | undefined,
  graceSeconds: number | undefined,
  warnings: string[],
): Container {
  const present = container.env ?? [];
  const has = (name: string): boolean => present.some((variable) => variable.name === name);
  const added = podEnv.filter(({ name }) => !has(name));
  const adminPort = nextAdminPort === undefined || has(ADMIN_PORT) ? undefined : nextAdminPort();
  if (adminPort !== undefined) added.push({ name: ADMIN_PORT, value: adminPort });
  const warning = nodeOptionsWarning(container);
  if (warning !== undefined) warnings.push(warning);
  const injected: Container = { ...container, env: withNodeOptions([...present, ...added]), volumeMounts: withMounts(container, warnings) };
  if (nextAdminPort === undefined || (adminPort === undefined && !has(ADMIN_PORT))) return injected;
  const lifecycle = drained(container, graceSeconds, warnings);
  return lifecycle === undefined ? injected : { ...injected, lifecycle };
}

function withMounts({ name, volumeMounts = [] }: Container, warnings: string[]): VolumeMount[] {
  const mounts = volumeMounts.filter((mount) => mount.name !== AGENT_VOLUME && mount.name !== LABELS_VOLUME);
  const agent: VolumeMount = { name: AGENT_VOLUME, mountPath: AGENT_PATH, readOnly: true };
  const isTaken = mounts.some(({ mountPath }) => mountPath.replace(/\/+$/, '') === LABELS_PATH);
  if (isTaken)
    warnings.push(
      `container ${name} has its own volume at ${LABELS_PATH}: the agent reads the pod's labels there only if the volume has the file labels`,
    );
  return isTaken ? [...mounts, agent] : [...mounts, agent, { name: LABELS_VOLUME, mountPath: LABELS_PATH, readOnly: true }];
}

const drainCommand = (...args: string[]): object => ({ exec: { command: ['node', DRAIN_FILE, ...args] } });
/** The part of the pod's grace period that is left for the app to stop by itself. */
const APP_SECONDS = 5;
/** Kubernetes' default; with it, and with more, the agent's own deadline holds. */
const USUAL_GRACE_SECONDS = 30;

/** Deregisters the instance before the process gets the stop signal, within the pod's grace period. */
function drained(container: Container, graceSeconds = USUAL_GRACE_SECONDS, warnings: string[]): Container['lifecycle'] {
  const { lifecycle } = container;
  if (lifecycle?.preStop === undefined) {
    // The time is too short for callers to notice.
    if (graceSeconds <= APP_SECONDS) return lifecycle;
    return { ...lifecycle, preStop: graceSeconds >= USUAL_GRACE_SECONDS ? drainCommand() : drainCommand(String(graceSeconds - APP_SECONDS)) };
  }
  if (!JSON.stringify(lifecycle.preStop).includes(DRAIN_FILE))
    warnings.push(`container ${container.name} keeps its own preStop: add node ${DRAIN_FILE} there, so that the pod is deregistered before it stops`);
  return lifecycle;
}
