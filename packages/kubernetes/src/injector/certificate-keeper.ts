/** Keeps the certificates in a Secret, which all replicas share, and the webhook configuration trusting them. */
import type { Log } from '@lane/core/model';
import { KubernetesError, type KubernetesApi } from '@lane/kubernetes-registry';
import { nextState, notAfterOf, CERTIFICATE_TIMES, type CertificateState, type CertificateTimes } from './certificates.js';
import type { ServingCertificate } from './server.js';

/** Options of {@link CertificateKeeper}. */
export interface CertificateKeeperOptions {
  readonly api: KubernetesApi;
  readonly namespace: string;
  /** Name of the Secret. */
  readonly secret: string;
  /** Name of the MutatingWebhookConfiguration. */
  readonly webhook: string;
  /** Host name by which the API server calls, such as `lane-injector.lane-system.svc`. */
  readonly names: readonly string[];
  readonly times?: CertificateTimes;
  readonly log: Log;
  readonly now?: () => number;
}

interface Secret {
  metadata: { name: string; namespace: string; resourceVersion?: string };
  data?: Record<string, string>;
  [field: string]: unknown;
}

const STATE_KEY = 'state.json';
const MAX_TRIES = 10;

/** One replica's access to the certificates. */
export class CertificateKeeper {
  readonly #options: CertificateKeeperOptions;

  constructor(options: CertificateKeeperOptions) {
    this.#options = options;
  }

  /** Renews what is due, and returns the certificate to serve. If several replicas renew at once, the later ones take the first one's result. */
  async keep(): Promise<ServingCertificate> {
    const state = await this.#agree();
    await this.#trust(state.trusted);
    const { certificate, key } = state.serving;
    return { certificate, key, notAfter: notAfterOf(certificate) };
  }

  async #agree(): Promise<CertificateState> {
    const { api, namespace, secret: name, names, times = CERTIFICATE_TIMES, now = Date.now } = this.#options;
    const secrets = `/api/v1/namespaces/${namespace}/secrets`;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const { status, body } = await api.request({ path: `${secrets}/${name}` });
      const present = status === 404 ? undefined : (body as Secret);
      const before = stateOf(present);
      const state = await nextState(before, names, now(), times);
      if (state === before) return state;
      const data = {
        [STATE_KEY]: toBase64(JSON.stringify(state)),
        // The names that other tools expect.
        'ca.crt': toBase64(state.trusted.join('\n')),
        'tls.crt': toBase64(state.serving.certificate),
      };
      const written =
        present === undefined
          ? await api.request({
              method: 'POST',
              path: secrets,
              body: { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, type: 'Opaque', data },
            })
          : await api.request({ method: 'PUT', path: `${secrets}/${name}`, body: { ...present, data } });
      // Another replica was first: its result counts.
      if (written.status !== 409 && written.status !== 404) return state;
    }
    throw new KubernetesError(
      `the Secret ${namespace}/${name} was changed by another writer ${MAX_TRIES} times in a row: find out what else writes it`,
      409,
    );
  }

  async #trust(trusted: readonly string[]): Promise<void> {
    const { api, webhook, log } = this.#options;
    const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${webhook}`;
    const { status, body } = await api.request({ path });
    if (status === 404) {
      log.warn(`there is no MutatingWebhookConfiguration ${webhook}: no pod is injected until there is one`);
      return;
    }
    const { webhooks = [] } = body as { webhooks?: Array<{ clientConfig: { caBundle?: string } }> };
    const caBundle = toBase64(trusted.join('\n'));
    const patch = webhooks.flatMap(({ clientConfig }, index) =>
      clientConfig.caBundle === caBundle ? [] : [{ op: 'add', path: `/webhooks/${index}/clientConfig/caBundle`, value: caBundle }],
    );
    if (patch.length > 0) await api.request({ method: 'PATCH', path, body: patch, contentType: 'application/json-patch+json' });
  }
}

const toBase64 = (text: string): string => Buffer.from(text).toString('base64');

/** undefined if there is no usable one: a new one is created then. */
function stateOf(secret: Secret | undefined): CertificateState | undefined {
  const text = secret?.data?.[STATE_KEY];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(text, 'base64').toString('utf8')) as CertificateState;
  } catch {
    return undefined;
  }
}
