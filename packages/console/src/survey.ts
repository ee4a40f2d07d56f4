/** What the registry knows, asked for by many pages and looked up once. Tags are read in the formats that the console was given. */
import {
  instanceTagReader,
  surveyServices,
  tablesOf,
  type FormatName,
  type Instance,
  type InstanceTagReader,
  type ServiceTable,
  type SurveyedService,
  type Tag,
} from '@lane/core/model';
import type { LaneRules } from '@lane/core/rules';
import { DEFAULT_GROUP, type NacosConnection, type NacosInstance } from '@lane/nacos-registry';

/** However many pages are open, the registry is not asked more often. */
const KEPT_MS = 1_000;

/** Looks at the registry when asked to. */
export class Surveyor {
  readonly #connection: NacosConnection;
  readonly #group: string;
  readonly #formats: readonly FormatName[];
  readonly #read: InstanceTagReader;
  #latest: { readonly atMs: number; readonly survey: Promise<ReadonlyArray<SurveyedService<NacosInstance>>> } | undefined;

  /** `group` is Nacos's grouping of services; `formats` are those of the agents (LANE_FORMATS): some say what a tag is in the registry. */
  constructor(connection: NacosConnection, group: string | undefined, formats: readonly FormatName[]) {
    this.#connection = connection;
    this.#group = group ?? DEFAULT_GROUP;
    this.#formats = formats;
    this.#read = instanceTagReader(formats);
  }

  /** The tag of an instance, undefined for base. */
  tagOf({ metadata }: Pick<Instance, 'metadata'>): Tag | undefined {
    return this.#read(metadata);
  }

  /** Tables of what was surveyed, under lane groups. */
  tablesOf(survey: readonly SurveyedService[], rules: LaneRules | undefined): (service: string) => ServiceTable | undefined {
    return tablesOf(survey, rules, { formats: this.#formats });
  }

  /** All services, as the registry has them now or had them within the last second. */
  survey(): Promise<ReadonlyArray<SurveyedService<NacosInstance>>> {
    const nowMs = performance.now();
    if (this.#latest !== undefined && nowMs - this.#latest.atMs < KEPT_MS) return this.#latest.survey;
    const survey = surveyServices(this.#connection, { group: this.#group, formats: this.#formats });
    const latest = (this.#latest = { atMs: nowMs, survey });
    // A failure is not kept.
    survey.catch(() => {
      if (this.#latest === latest) this.#latest = undefined;
    });
    return survey;
  }
}
