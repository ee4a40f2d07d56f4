/** Pods as an API server sends them for review: with its defaults, a ReplicaSet's fields, and a service account's token. */
import { INJECT_DEFAULTS, injectPod } from '@lane/kubernetes/injector';
import jsonPatch from 'fast-json-patch';

/** The injector's options. */
export const IMAGE = 'registry.example.com/lane-agent:0.1.0';
export const NACOS = 'nacos-server.default.svc:8848';

const RESTRICTED = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
};

function container(name, image, more = {}) {
  const probe = (path) => ({
    httpGet: { path, port: 'http', scheme: 'HTTP' },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  });
  return {
    name,
    image,
    ports: [{ name: 'http', containerPort: 3000, protocol: 'TCP' }],
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    volumeMounts: [{ name: 'kube-api-access-x7k2p', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
    livenessProbe: probe('/healthz'),
    readinessProbe: probe('/readyz'),
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: 'IfNotPresent',
    ...more,
  };
}

const variables = (count) => Array.from({ length: count }, (_, i) => ({ name: `SETTING_${i}`, value: `value of setting ${i}` }));

function pod(service, spec, labels = {}) {
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      generateName: `${service}-7d4b9c6f5-`,
      namespace: 'shop',
      labels: { app: service, 'app.kubernetes.io/part-of': 'shop', 'pod-template-hash': '7d4b9c6f5', ...labels },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: `${service}-7d4b9c6f5`,
          uid: '0d3a4f2e-9b1c-4f57-8f8e-2d1c7a9b6e31',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      managedFields: [
        {
          manager: 'kube-controller-manager',
          operation: 'Update',
          apiVersion: 'v1',
          fieldsType: 'FieldsV1',
          fieldsV1: {
            'f:metadata': { 'f:generateName': {}, 'f:labels': { '.': {}, 'f:app': {}, 'f:pod-template-hash': {} }, 'f:ownerReferences': { '.': {} } },
            'f:spec': { 'f:containers': { [`k:{"name":"${service}"}`]: { '.': {}, 'f:env': {}, 'f:image': {}, 'f:name': {}, 'f:ports': {} } } },
          },
        },
      ],
    },
    spec: {
      volumes: [
        {
          name: 'kube-api-access-x7k2p',
          projected: {
            sources: [
              { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
              { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
              { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
            ],
            defaultMode: 420,
          },
        },
      ],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      serviceAccountName: 'default',
      serviceAccount: 'default',
      securityContext: {},
      schedulerName: 'default-scheduler',
      tolerations: [
        { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
        { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
      ],
      priority: 0,
      enableServiceLinks: true,
      preemptionPolicy: 'PreemptLowerPriority',
      ...spec,
    },
    status: {},
  };
}

const plain = pod('cart', { containers: [container('cart', 'registry.example.com/node:22', { env: variables(12) })] });
const fromSecret = pod('orders', {
  containers: [
    container('orders', 'registry.example.com/shop/orders:4.1.0', {
      env: [...variables(20), { name: 'NODE_OPTIONS', valueFrom: { configMapKeyRef: { name: 'settings', key: 'node-options' } } }],
    }),
  ],
});
const scenario = pod(
  'spring-cloud-a',
  { containers: [container('spring-cloud-a', 'registry.example.com/shop/a-node:1', { env: variables(4) })] },
  { msePilotAutoEnable: 'on', mseNamespace: 'default', msePilotCreateAppName: 'spring-cloud-a', 'alicloud.service.tag': 'gray' },
);
const restricted = pod('payment', {
  securityContext: { runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
  initContainers: [
    container('migrate', 'registry.example.com/shop/migrate:2', { securityContext: RESTRICTED, livenessProbe: undefined, readinessProbe: undefined }),
  ],
  containers: [
    container('payment', 'registry.example.com/node:22', { securityContext: RESTRICTED, env: variables(30) }),
    container('proxy', 'registry.example.com/envoyproxy/envoy:v1.32', { securityContext: RESTRICTED }),
  ],
});
const java = pod('stock', {
  containers: [
    container('stock', 'registry.example.com/shop/stock-java:3', { env: [{ name: 'JAVA_HOME', value: '/usr/lib/jvm' }, ...variables(12)] }),
  ],
});
/** As on reinvocation, or for a pod made from an injected one. */
const { patch } = injectPod(plain, { 'lane.dev/injection': 'enabled' }, { ...INJECT_DEFAULTS, image: IMAGE, env: { LANE_NACOS_SERVER: NACOS } });
const injected = jsonPatch.applyPatch(structuredClone(plain), patch).newDocument;

/** The mix of pods, and whether the answer has a patch. */
export const PODS = [
  { name: 'Node', pod: plain, isPatched: true },
  { name: 'NODE_OPTIONS from a ConfigMap', pod: fromSecret, isPatched: true },
  { name: 'labels of the scenario', pod: scenario, isPatched: true },
  { name: 'restricted, several containers', pod: restricted, isPatched: true },
  { name: 'Java', pod: java, isPatched: true },
  { name: 'injected already', pod: injected, isPatched: false },
];

/** The review of a pod's creation, as the API server sends it. */
export function reviewOf(object, uid) {
  return JSON.stringify({
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid,
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      requestKind: { group: '', version: 'v1', kind: 'Pod' },
      requestResource: { group: '', version: 'v1', resource: 'pods' },
      namespace: 'shop',
      operation: 'CREATE',
      userInfo: {
        username: 'system:serviceaccount:kube-system:replicaset-controller',
        uid: '6f0c1d3e-3a3b-4d0e-9d9e-0c6f5f0e7a11',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
      },
      object,
      oldObject: null,
      dryRun: false,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
    },
  });
}
