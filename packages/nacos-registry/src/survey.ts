/** All services that Nacos knows, with their instances: for commands and the console, not for the request path. */
import { ServiceTables, tagOfMetadata, type LaneRules, type ServiceTable, type ServiceTablesOptions, type Tag } from '@lane/core';
import type { NacosConnection } from './connection.js';
import { DEFAULT_GROUP, type NacosInstance } from './nacos-instance.js';

/** A service, its instances, and the tags that they carry. */
export interface SurveyedService {
  readonly name: string;
  /** Nacos's own grouping of services. */
  readonly group: string;
  readonly instances: readonly NacosInstance[];
  /** In the order of the alphabet. */
  readonly tags: readonly Tag[];
}

/** Options of {@link surveyServices}. */
export interface SurveyOptions {
  /** Nacos's grouping of services. Default `DEFAULT_GROUP`. */
  readonly group?: string | undefined;
  /** Only these services, whether Nacos knows them or not; over gRPC, which lists none, they have to be given. */
  readonly services?: readonly string[] | undefined;
}

/** Lists asked for at a time. */
const CONCURRENCY = 8;

/** Asks for all services of a group, and for their instances. Rejects where Nacos can't be reached. */
export async function surveyServices(connection: NacosConnection, options: SurveyOptions = {}): Promise<readonly SurveyedService[]> {
  const group = options.group ?? DEFAULT_GROUP;
  const names = [...(options.services ?? (await connection.services(group)))];
  const found: SurveyedService[] = [];
  async function work(): Promise<void> {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      const instances = await connection.list({ name, group });
      const tags = new Set(instances.map(({ metadata }) => tagOfMetadata(metadata)).filter((tag) => tag !== undefined));
      found.push({ name, group, instances, tags: [...tags].toSorted() });
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Tables of surveyed services under lane groups, as agents would have them: for explanations and the matrix. */
export function tablesOf(
  survey: readonly SurveyedService[],
  rules: LaneRules | undefined,
  options: ServiceTablesOptions = {},
): (service: string) => ServiceTable | undefined {
  const tables = new ServiceTables(options);
  tables.setRules(rules);
  const byName = new Map(survey.map(({ name, group, instances }) => [name, tables.update({ name, group }, instances)]));
  return (service) => byName.get(service);
}
