/** What the injector does to a pod: a pure function, so that `lane injector`, tests and tools come to the same end. */
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

/** How pods are injected, the same for all of a cluster. */
export interface InjectOptions {
  /** Image with the agent. */
  readonly image: string;
  readonly delivery: Delivery;
  readonly resources: AgentResources;
  /** Variables for every container that does not have them, such as LANE_NACOS_SERVER. */
  readonly env: Readonly<Record<string, string>>;
  /** LANE_ADMIN_PORT of the first container, and one more for each further one; undefined: none, and then no drain before a stop. */
  readonly adminPort: number | undefined;
  /** MSE's governance namespaces: name, Nacos namespace id. */
  readonly governanceNamespaces: Readonly<Record<string, string>>;
}

/** Defaults of {@link InjectOptions}, but for the image. */
export const INJECT_DEFAULTS: Omit<InjectOptions, 'image'> = {
  delivery: 'init',
  resources: { cpu: '50m', memory: '32Mi' },
  env: {},
  adminPort: 19100,
  governanceNamespaces: {},
};

/** What becomes of a pod. */
export interface Injection {
  readonly outcome: 'injected' | 'left-alone';
  /** Why, in one line; the annotation `lane.dev/status`, where one is written. */
  readonly status: string;
  /** JSON Patch (RFC 6902); empty where nothing is to do, as on a second run. */
  readonly patch: Operation[];
  /** For whoever creates the pod. */
  readonly warnings: string[];
}

/** Decides on a pod, and says what to change. Running it again on its own result changes nothing. */
export function injectPod(pod: Pod, namespaceLabels: Readonly<Record<string, string>>, options: InjectOptions): Injection {
  const wanted = isWanted(pod, namespaceLabels);
  if (!wanted.inject) {
    const status = `left alone: ${wanted.because}`;
    return { outcome: 'left-alone', status, patch: wanted.silent ? [] : patchTo(pod, withStatus(pod, status)), warnings: [] };
  }
  const chosen = chooseContainers(pod);
  if (chosen.injected.length === 0) {
    const status = `left alone: no container runs Node (${chosen.told.join('; ')})`;
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
    // First of all: later ones may be among the chosen.
    ...(agent.length + initContainers.length > 0 ? { initContainers: [...agent, ...initContainers] } : {}),
    volumes: [...volumes, agentVolume(options.delivery, options.image), labelsVolume()],
  };
  if (spec.hostNetwork === true && options.adminPort !== undefined)
    warnings.push('the pod uses the network of its host, where ports may be taken: no LANE_ADMIN_PORT is set, and it is not drained before it stops');
  return said({ outcome: 'injected', status, patch: patchTo(pod, injected), warnings });
}

/** On a second run all has been said. */
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

/** Those of the annotation, whatever they look like; else all that are not init containers and do not look like something else than Node. */
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
      told.push(`${container.name}: ${verdict === 'other' ? 'left alone, ' : ''}${because}`);
    }
  }
  const isFree = (container: Container): boolean => {
    const taken = container.volumeMounts?.some(({ name, mountPath }) => name !== AGENT_VOLUME && mountPath.replace(/\/+$/, '') === AGENT_PATH);
    if (taken === true) {
      warnings.push(`container ${container.name} has a volume of its own at ${AGENT_PATH}: it is left alone`);
      told.push(`${container.name}: left alone, ${AGENT_PATH} is taken`);
    }
    return taken !== true;
  };
  return { injected: injected.filter(isFree), told, warnings };
}

/** What all containers of a pod are told. */
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
    else warnings.push(`${JSON.stringify(tag)} is no tag: accepted is ${TAG_RULE}. The pod serves base`);
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

/** Containers of a pod share one address: each has a port of its own. */
function adminPorts(injected: readonly Container[], first: number | undefined): () => string | undefined {
  const taken = new Set(injected.flatMap(({ env = [] }) => env.filter(({ name }) => name === ADMIN_PORT).map(({ value }) => value)));
  let next = first;
  return () => {
    while (next !== undefined && taken.has(String(next))) next++;
    return next === undefined ? undefined : String(next++);
  };
}

/** `nextAdminPort` is left out for an init container that ends by itself: Kubernetes takes no preStop there. */
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
      `container ${name} has a volume of its own at ${LABELS_PATH}: the agent reads the pod's labels there only if it has the file labels`,
    );
  return isTaken ? [...mounts, agent] : [...mounts, agent, { name: LABELS_VOLUME, mountPath: LABELS_PATH, readOnly: true }];
}

const drainCommand = (...args: string[]): object => ({ exec: { command: ['node', DRAIN_FILE, ...args] } });
/** What the app has left to end by itself, of the time that the pod is given. */
const APP_SECONDS = 5;
/** Kubernetes' default; with it, and with more, the agent's own deadline holds. */
const USUAL_GRACE_SECONDS = 30;

/** Takes the instance out of the registry before the process is told to stop, within the time that the pod is given. */
function drained(container: Container, graceSeconds = USUAL_GRACE_SECONDS, warnings: string[]): Container['lifecycle'] {
  const { lifecycle } = container;
  if (lifecycle?.preStop === undefined) {
    // The time is too short to tell anybody.
    if (graceSeconds <= APP_SECONDS) return lifecycle;
    return { ...lifecycle, preStop: graceSeconds >= USUAL_GRACE_SECONDS ? drainCommand() : drainCommand(String(graceSeconds - APP_SECONDS)) };
  }
  if (!JSON.stringify(lifecycle.preStop).includes(DRAIN_FILE))
    warnings.push(`container ${container.name} keeps its own preStop: add node ${DRAIN_FILE} there, so that it leaves the registry before it stops`);
  return lifecycle;
}
