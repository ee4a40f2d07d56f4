/** How the agent gets into a pod: an init container copies it into a volume, or it is an image volume if the cluster supports those. */
import { AGENT_CONTAINER, AGENT_PATH, AGENT_VOLUME, LABELS_VOLUME } from './names.js';
import type { Container, PodSpec, Volume } from '../pod.js';

/** `init`: an init container copies it; `image`: the image itself is mounted (Kubernetes 1.35, or feature gate ImageVolume). */
export type Delivery = 'init' | 'image';

/** Requests and limits of the init container; equal ones keep a Guaranteed pod Guaranteed. */
export interface AgentResources {
  readonly cpu: string;
  readonly memory: string;
}

/** The volume that holds the agent. */
export function agentVolume(delivery: Delivery, image: string): Volume {
  return delivery === 'image'
    ? { name: AGENT_VOLUME, image: { reference: image, pullPolicy: 'IfNotPresent' } }
    : { name: AGENT_VOLUME, emptyDir: { sizeLimit: '64Mi' } };
}

/** The pod's own labels as a file, kept current by the kubelet. */
export function labelsVolume(): Volume {
  return { name: LABELS_VOLUME, downwardAPI: { items: [{ path: 'labels', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.labels' } }] } };
}

/** The init container: works with restricted Pod Security, a read-only root, and pods that run as any user. */
export function agentContainer(spec: PodSpec, image: string, resources: AgentResources): Container {
  const amounts = { cpu: resources.cpu, memory: resources.memory };
  return {
    name: AGENT_CONTAINER,
    image,
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/sh', '/opt/lane/install.sh', AGENT_PATH],
    resources: { requests: { ...amounts }, limits: { ...amounts } },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [{ name: AGENT_VOLUME, mountPath: AGENT_PATH }],
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      // The image's own user is numeric. Naming one here would break where users are assigned per namespace (OpenShift).
      ...(spec.securityContext?.runAsUser === 0 ? { runAsUser: 65532 } : {}),
      seccompProfile: { type: 'RuntimeDefault' },
    },
  };
}
