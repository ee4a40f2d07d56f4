/** The part of a pod that the injector reads and writes; other fields pass through untouched. */
export interface Pod {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMetadata;
  spec: PodSpec;
}

/** Names, labels and annotations. */
export interface ObjectMetadata {
  name?: string;
  generateName?: string;
  namespace?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  [field: string]: unknown;
}

/** A pod's spec. */
export interface PodSpec {
  containers: Container[];
  initContainers?: Container[];
  volumes?: Volume[];
  hostNetwork?: boolean;
  terminationGracePeriodSeconds?: number;
  os?: { name?: string };
  nodeSelector?: Record<string, string>;
  securityContext?: { runAsUser?: number; runAsNonRoot?: boolean; [field: string]: unknown };
  [field: string]: unknown;
}

/** A container, an init container, or a native sidecar (an init container with `restartPolicy: Always`). */
export interface Container {
  name: string;
  image?: string;
  command?: string[];
  args?: string[];
  env?: EnvironmentVariable[];
  envFrom?: unknown[];
  volumeMounts?: VolumeMount[];
  lifecycle?: { preStop?: unknown; [field: string]: unknown };
  restartPolicy?: string;
  [field: string]: unknown;
}

/** A variable: a value, or its source. */
export interface EnvironmentVariable {
  name: string;
  value?: string;
  valueFrom?: Record<string, { optional?: boolean; [field: string]: unknown } | undefined>;
}

/** Where a volume is mounted in a container. */
export interface VolumeMount {
  name: string;
  mountPath: string;
  readOnly?: boolean;
  [field: string]: unknown;
}

/** A volume of a pod. */
export interface Volume {
  name: string;
  [source: string]: unknown;
}
