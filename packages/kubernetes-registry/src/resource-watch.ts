/** Lists, then watches, until stopped: the usual way to follow Kubernetes. */
import type { KubernetesApi } from './kubernetes-api.js';
import { KubernetesError } from './kubernetes-error.js';

/** What is watched. */
export interface WatchTarget {
  /** The collection's path, without a query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Metadata only, without spec and status. */
  readonly metadataOnly?: boolean;
}

/** The listener. */
export interface WatchListener<T> {
  /** All objects: at the start, and whenever changes have been missed. */
  onAll(objects: readonly T[]): void;
  onChange(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void;
  /** The server has ended the watch normally, and the next one starts: every few minutes. */
  onRenewed?(): void;
  /** The server can't be reached, or refuses; retried automatically. */
  onTrouble(error: KubernetesError): void;
  /** It answered. */
  onAnswer(): void;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 30_000;
/** The API server ends a watch after a random time between these: not all clients come back at once. */
const WATCH_SECONDS = { least: 300, most: 600 };

const GONE = 410;

/** Lists once. Rejects with `ELANE_KUBERNETES`. */
export async function listResources<T>(
  api: KubernetesApi,
  target: WatchTarget,
  query: Readonly<Record<string, string>> = {},
): Promise<{ readonly version: string; readonly items: readonly T[] }> {
  const { status, body } = await api.request({ path: pathOf(target, query), ...acceptOf(target, 'PartialObjectMetadataList') });
  if (status >= 400) throw KubernetesError.ofAnswer(api.server, target, status, body);
  const list = body as { metadata?: { resourceVersion?: string }; items?: T[] };
  return { version: list.metadata?.resourceVersion ?? '', items: list.items ?? [] };
}

/** Resolves when `signal` is aborted; never rejects. */
export async function watchResources<T>(api: KubernetesApi, target: WatchTarget, listener: WatchListener<T>, signal: AbortSignal): Promise<void> {
  // The newest version seen; undefined: list everything.
  let version: string | undefined;
  // The first list may come from the server's cache, which spares etcd. One after a gap may not: another server's cache may be older.
  let listFrom: string | undefined = '0';
  let pauseMs = FIRST_PAUSE_MS;
  let isRenewal = false;

  while (!signal.aborted) {
    try {
      if (version === undefined) {
        const list = await listResources<T>(api, target, listFrom === undefined ? {} : { resourceVersion: listFrom });
        if (signal.aborted) return;
        version = list.version;
        listFrom = undefined;
        listener.onAnswer();
        listener.onAll(list.items);
      } else if (isRenewal) listener.onRenewed?.();
      const { least, most } = WATCH_SECONDS;
      const timeoutSeconds = String(Math.round(least + Math.random() * (most - least)));
      const path = pathOf(target, { watch: '1', allowWatchBookmarks: 'true', resourceVersion: version, timeoutSeconds });
      await api.watch(
        { path, ...acceptOf(target, 'PartialObjectMetadata') },
        {
          onOpen: () => {
            pauseMs = FIRST_PAUSE_MS;
            listener.onAnswer();
          },
          onEvent: ({ type, object }) => {
            if (type === 'ERROR') throw errorOf(api.server, path, object);
            version = (object as { metadata?: { resourceVersion?: string } }).metadata?.resourceVersion ?? version;
            if (type !== 'BOOKMARK') listener.onChange(type, object as T);
          },
        },
        signal,
      );
      isRenewal = true;
      // Do not loop if a server ends each watch at once.
      if (!signal.aborted) await pause(FIRST_PAUSE_MS, signal);
    } catch (error) {
      if (signal.aborted) return;
      isRenewal = false;
      const trouble = error instanceof KubernetesError ? error : KubernetesError.ofOutage(api.server, error as Error);
      if (trouble.status === GONE) {
        version = undefined;
      } else {
        listener.onTrouble(trouble);
      }
      await pause(pauseMs * (0.5 + Math.random()), signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }
}

function errorOf(server: string, path: string, status: unknown): KubernetesError {
  return KubernetesError.ofAnswer(server, { path }, (status as { code?: number } | null)?.code ?? 0, status);
}

const acceptOf = ({ metadataOnly = false }: WatchTarget, kind: string): { accept?: string } =>
  metadataOnly ? { accept: `application/json;as=${kind};g=meta.k8s.io;v=v1` } : {};

function pathOf({ path, query = {} }: WatchTarget, more: Readonly<Record<string, string>>): string {
  const all = new URLSearchParams({ ...query, ...more }).toString();
  return all === '' ? path : `${path}?${all}`;
}

/** Holds no process alive. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal.addEventListener('abort', done);
  });
}
