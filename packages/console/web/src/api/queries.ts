/** The pages' queries, and their intervals. */
import type {
  AuditAnswer,
  ExplanationAnswer,
  GroupsAnswer,
  HistoryAnswer,
  HopAnswer,
  ServicesAnswer,
  SessionAnswer,
  Traffic,
  VersionAnswer,
} from '@lane/console';
import { keepPreviousData, queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { LIVE } from '../parts/freshness.js';
import { api, pathOf } from './client.js';

export type { AuditAnswer, ExplanationAnswer, GroupsAnswer, HistoryAnswer, HopAnswer, ServicesAnswer, SessionAnswer, Traffic, VersionAnswer };

export type GroupAnswer = GroupsAnswer['groups'][number];
export type ServiceAnswer = ServicesAnswer['services'][number];

const LIVE_MS = 2_000;

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: ({ signal }) => api<SessionAnswer>('/session', { signal }),
  staleTime: 60_000,
});
export const groupsQuery = queryOptions({
  queryKey: ['groups'],
  queryFn: ({ signal }) => api<GroupsAnswer>('/groups', { signal }),
  refetchInterval: LIVE_MS,
  meta: LIVE,
});
export const servicesQuery = queryOptions({
  queryKey: ['services'],
  queryFn: ({ signal }) => api<ServicesAnswer>('/services', { signal }),
  refetchInterval: 5_000,
  meta: LIVE,
});
/** Traffic of the last `seconds`, or since the processes started. With `until`, traffic up to then, which never changes. */
export const trafficQuery = (seconds: number | undefined, until: string | undefined) =>
  queryOptions({
    queryKey: ['traffic', seconds, until],
    queryFn: ({ signal }) =>
      api<Traffic>(
        `/traffic${seconds === undefined ? '' : `?${new URLSearchParams({ seconds: String(seconds), ...(until === undefined ? {} : { until }) })}`}`,
        { signal },
      ),
    placeholderData: keepPreviousData,
    ...(until === undefined ? { refetchInterval: LIVE_MS, meta: LIVE } : { staleTime: Infinity }),
  });

/** Which instances of a service serve calls of a tag, and why. */
export const hopQuery = (service: string, tag: string | undefined) =>
  queryOptions({
    queryKey: ['hop', service, tag],
    queryFn: ({ signal }) =>
      api<HopAnswer>(`${pathOf('services', service, 'hop')}${tag === undefined ? '' : `?${new URLSearchParams({ tag })}`}`, { signal }),
    refetchInterval: 5_000,
    meta: LIVE,
  });
export const historyQuery = queryOptions({
  queryKey: ['history'],
  queryFn: ({ signal }) => api<HistoryAnswer>('/history', { signal }),
  refetchInterval: 5_000,
  meta: LIVE,
});
export const auditQuery = queryOptions({
  queryKey: ['audit'],
  queryFn: ({ signal }) => api<AuditAnswer>('/audit', { signal }),
  refetchInterval: 5_000,
  meta: LIVE,
});

/** One version; it never changes. */
export const versionQuery = (version: string) =>
  queryOptions({
    queryKey: ['history', version],
    queryFn: ({ signal }) => api<VersionAnswer>(`/history${pathOf(version)}`, { signal }),
    staleTime: Infinity,
  });

/** Who is signed in, if anybody, and whether they may change things. */
export function useUser(): { readonly name: string; readonly isEditor: boolean } | undefined {
  const { data } = useQuery(sessionQuery);
  return data?.user === null || data === undefined ? undefined : { name: data.user.name, isEditor: data.user.role === 'editor' };
}

/** Refetches everything that a change may affect. */
export function useRefresh(): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await Promise.all(['groups', 'history', 'audit'].map((key) => client.invalidateQueries({ queryKey: [key] })));
  };
}
