/** All services that a registry knows, with their instances: for commands and the console, not for the request path. */
import type { Instance } from './instance.js';
import type { Registry } from './registry.js';
import { ServiceTables, type ServiceKey, type ServiceTable, type ServiceTablesOptions } from './service-tables.js';
import { instanceTagReader, type FormatName } from '../wire/formats.js';
import type { LaneRules } from '../rules/types.js';
import type { Tag } from '../names/tag.js';

/** A service, its instances, and the tags that they carry. */
export interface SurveyedService<Known extends Instance = Instance> {
  readonly name: string;
  /** The registry's own grouping of services. */
  readonly group: string;
  readonly instances: readonly Known[];
  /** In the order of the alphabet. */
  readonly tags: readonly Tag[];
}

/** Options of {@link surveyServices}. */
export interface SurveyOptions {
  /** The registry's grouping of services. */
  readonly group: string;
  /** The formats listed: instances' tags are read in them. */
  readonly formats: readonly FormatName[];
  /** Only these services, whether it knows them or not; a registry that lists none needs them. */
  readonly services?: readonly string[] | undefined;
}

/** Lists asked for at a time. */
const CONCURRENCY = 8;

/** Asks for all services of a group, and for their instances. Rejects where the registry can't be reached. */
export async function surveyServices<Known extends Instance>(
  registry: Pick<Registry, 'services'> & { list(key: ServiceKey): Promise<readonly Known[]> },
  { group, formats, services }: SurveyOptions,
): Promise<ReadonlyArray<SurveyedService<Known>>> {
  const tagOf = instanceTagReader(formats);
  const names = [...(services ?? (await registry.services(group)))];
  const found: Array<SurveyedService<Known>> = [];
  async function work(): Promise<void> {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      const instances = await registry.list({ name, group });
      const tags = new Set(instances.map(({ metadata }) => tagOf(metadata)).filter((tag) => tag !== undefined));
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
  options: ServiceTablesOptions,
): (service: string) => ServiceTable | undefined {
  const tables = new ServiceTables(options);
  tables.setRules(rules);
  const byName = new Map(survey.map(({ name, group, instances }) => [name, tables.update({ name, group }, instances)]));
  return (service) => byName.get(service);
}
