/** All of a registry's services with their instances: for commands and the console, not for the request path. */
import type { Instance } from './instance.js';
import type { Registry } from './registry.js';
import { ServiceTables, type ServiceKey, type ServiceTable, type ServiceTablesOptions } from './service-tables.js';
import type { LaneRules } from '../rules/types.js';

/** A service and its instances. Which tags they carry is asked of {@link tablesOf}, or of InstanceTags: it depends on the lane groups in force. */
export interface SurveyedService<Known extends Instance = Instance> {
  readonly name: string;
  /** The registry's own grouping of services. */
  readonly group: string;
  readonly instances: readonly Known[];
}

/** Options of {@link surveyServices}. */
export interface SurveyOptions {
  /** The registry's grouping of services. */
  readonly group: string;
  /** Only these services, known or not; needed for a registry that cannot list services. */
  readonly services?: readonly string[] | undefined;
}

/** How many lists are requested at a time. */
const CONCURRENCY = 8;

/** Lists all services of a group, and their instances. Rejects if the registry can't be reached. */
export async function surveyServices<Known extends Instance>(
  registry: Pick<Registry, 'services'> & { list(key: ServiceKey): Promise<readonly Known[]> },
  { group, services }: SurveyOptions,
): Promise<ReadonlyArray<SurveyedService<Known>>> {
  const names = [...(services ?? (await registry.services(group)))];
  const found: Array<SurveyedService<Known>> = [];
  async function work(): Promise<void> {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      found.push({ name, group, instances: await registry.list({ name, group }) });
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
