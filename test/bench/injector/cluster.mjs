/** Measures what a webhook adds to the creation of a pod, as seen by a client of a real API server: with and without, in turn. */
import { fileURLToPath } from 'node:url';
import { PODS } from './pods.mjs';
import { load } from './typescript.mjs';
import { makeCertificate, startDoNothing } from './webhooks.mjs';

const WARM_UP = 50;
const file = (name) => fileURLToPath(new URL(name, import.meta.url));

/** No webhook selects the first. Variants differ only in labels, so that all pods are equally large. */
const VARIANTS = [
  { name: 'no webhook', labels: { 'lane.dev/inject': 'false', 'bench/nothing': 'false' } },
  { name: 'no webhook, again', labels: { 'lane.dev/inject': 'false', 'bench/nothing': 'false' } },
  { name: 'do-nothing webhook', labels: { 'lane.dev/inject': 'false', 'bench/nothing': 'true' } },
  { name: 'injector', labels: { 'lane.dev/inject': 'true', 'bench/nothing': 'false' } },
];

/** Times of creation in ms: a list per variant, in the order of the pods. */
export async function measureCluster({ pods, onReady }) {
  const { startKubernetes } = load(file('../../servers/kubernetes/index.ts'));
  const { injectorManifests, serveAt, startInjectorProcess, untilInjecting } = load(file('../../interop/kubernetes/injector.ts'));
  const { files, ca, remove } = await makeCertificate();
  const stops = [remove];
  try {
    const kubernetes = await startKubernetes();
    stops.push(() => kubernetes.stop());
    const doNothing = await startDoNothing(files);
    stops.push(() => doNothing.stop());
    await kubernetes.apply([
      ...injectorManifests(),
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
      doNothingConfiguration(doNothing.port, ca),
    ]);
    const injector = await startInjectorProcess(kubernetes);
    stops.push(() => injector.stop());
    await serveAt(kubernetes, [injector.port]);
    await untilInjecting(kubernetes);
    onReady();
    const api = kubernetes.api();
    stops.push(() => api.close());
    const times = VARIANTS.map(() => []);
    for (let count = -WARM_UP; count < pods; count++) {
      // In a different order each time, so that none always follows the same neighbour.
      const order = VARIANTS.map((_, i) => ({ i, key: Math.random() })).toSorted((a, b) => a.key - b.key);
      for (const { i } of order) {
        const body = podOf(count + WARM_UP, VARIANTS[i].labels);
        const started = performance.now();
        const answer = await api.request({ method: 'POST', path: '/api/v1/namespaces/shop/pods', body });
        const elapsedMs = performance.now() - started;
        if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
        const isInjected = answer.body.metadata.annotations?.['lane.dev/status'] !== undefined;
        if (isInjected !== (VARIANTS[i].name === 'injector')) throw new Error(`${VARIANTS[i].name}: ${JSON.stringify(answer.body.metadata)}`);
        if (count >= 0) times[i].push(elapsedMs);
      }
    }
    return VARIANTS.map(({ name }, i) => ({ name, times: times[i] }));
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** What a client sends: the mix without the API server's additions, and without the pod that is already injected. */
function podOf(count, labels) {
  const { pod } = PODS[count % (PODS.length - 1)];
  const { managedFields: _, ownerReferences: __, labels: own, ...metadata } = pod.metadata;
  const { msePilotAutoEnable: ___, ...kept } = own;
  // No controller provides a service account and a priority here.
  const { priority: ____, preemptionPolicy: _____, ...spec } = pod.spec;
  return { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, labels: { ...kept, ...labels } }, spec };
}

function doNothingConfiguration(port, ca) {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'nothing' },
    webhooks: [
      {
        name: 'nothing.example.com',
        clientConfig: { url: `https://127.0.0.1:${port}/inject/pod`, caBundle: Buffer.from(ca).toString('base64') },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
        objectSelector: { matchLabels: { 'bench/nothing': 'true' } },
        failurePolicy: 'Fail',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
      },
    ],
  };
}
