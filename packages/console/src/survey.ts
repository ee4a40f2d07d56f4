/** What the registry knows, asked for by many pages and looked up once. Tags are read in the formats that the console was given. */
import { tagOfMetadata, type FormatName, type Instance, type MetadataReading, type ServiceTable, type Tag } from '@lane/core/model';
import type { LaneRules } from '@lane/core/rules';
import { surveyServices, tablesOf, type NacosConnection, type SurveyedService } from '@lane/nacos-registry';

/** However many pages are open, the registry is not asked more often. */
const KEPT_MS = 1_000;

/** Looks at the registry when asked to. */
export class Surveyor {
  readonly #connection: NacosConnection;
  readonly #group: string | undefined;
  readonly #reading: MetadataReading;
  #latest: { readonly atMs: number; readonly survey: Promise<readonly SurveyedService[]> } | undefined;

  /** `group` is Nacos's grouping of services; `formats` are those of the agents (LANE_FORMATS): some say what a tag is in the registry. */
  constructor(connection: NacosConnection, group: string | undefined, formats: readonly FormatName[]) {
    this.#connection = connection;
    this.#group = group;
    this.#reading = { nepxion: formats.includes('nepxion') };
  }

  /** The tag of an instance, undefined for base. */
  tagOf({ metadata }: Pick<Instance, 'metadata'>): Tag | undefined {
    return tagOfMetadata(metadata, this.#reading);
  }

  /** Tables of what was surveyed, under lane groups. */
  tablesOf(survey: readonly SurveyedService[], rules: LaneRules | undefined): (service: string) => ServiceTable | undefined {
    return tablesOf(survey, rules, this.#reading);
  }

  /** All services, as the registry has them now or had them within the last second. */
  survey(): Promise<readonly SurveyedService[]> {
    const nowMs = performance.now();
    if (this.#latest !== undefined && nowMs - this.#latest.atMs < KEPT_MS) return this.#latest.survey;
    const survey = this.#look();
    const latest = (this.#latest = { atMs: nowMs, survey });
    // A failure is not kept.
    survey.catch(() => {
      if (this.#latest === latest) this.#latest = undefined;
    });
    return survey;
  }

  async #look(): Promise<readonly SurveyedService[]> {
    const found = await surveyServices(this.#connection, { group: this.#group });
    return found.map((service) => {
      const tags = new Set<Tag>();
      for (const instance of service.instances) {
        const tag = this.tagOf(instance);
        if (tag !== undefined) tags.add(tag);
      }
      return { ...service, tags: [...tags].toSorted() };
    });
  }
}
