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
/** And of a large one, which takes its time to list everything, so much less often. */
const KEPT_TIMES = 3;
const MAX_KEPT_MS = 8_000;
/** A page waits so long for a look at the registry, before it is shown the one before. */
const PATIENCE_MS = 400;
/** And that only if it is no older. */
const MAX_AGE_MS = 20_000;

/** What the registry was found to hold. */
export interface Survey {
  readonly services: ReadonlyArray<SurveyedService<NacosInstance>>;
  /** How long ago the registry was asked for it. */
  readonly ageMs: number;
}

/** Looks at the registry when asked to. */
export class Surveyor {
  readonly #connection: NacosConnection;
  readonly #group: string;
  readonly #formats: readonly FormatName[];
  readonly #read: InstanceTagReader;
  /** The last that was answered, and when it was asked for. */
  #answered: { readonly atMs: number; readonly services: Survey['services'] } | undefined;
  #latest: { readonly atMs: number; keptUntilMs: number; readonly survey: Promise<ReadonlyArray<SurveyedService<NacosInstance>>> } | undefined;

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

  /** What the registry holds, without waiting long: where it takes its time for very many services, what it held just before. */
  async surveySoon(): Promise<Survey> {
    const asked = this.survey();
    const atMs = this.#latest?.atMs ?? performance.now();
    const now = asked.then((services): Survey => ({ services, ageMs: Math.round(performance.now() - atMs) }));
    const before = this.#answered;
    if (before === undefined || performance.now() - before.atMs > MAX_AGE_MS) return now;
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<Survey>((resolve) => {
      timer = setTimeout(() => resolve({ services: before.services, ageMs: Math.round(performance.now() - before.atMs) }), PATIENCE_MS);
    });
    return Promise.race([now, patience]).finally(() => clearTimeout(timer));
  }

  /** All services, as the registry has them now or had them within the last second; a large registry, within the last few. */
  survey(): Promise<ReadonlyArray<SurveyedService<NacosInstance>>> {
    const nowMs = performance.now();
    if (this.#latest !== undefined && nowMs < this.#latest.keptUntilMs) return this.#latest.survey;
    const survey = surveyServices(this.#connection, { group: this.#group, formats: this.#formats });
    const latest = (this.#latest = { atMs: nowMs, keptUntilMs: Number.POSITIVE_INFINITY, survey });
    survey.then(
      (services) => {
        const doneMs = performance.now();
        latest.keptUntilMs = Math.max(nowMs + KEPT_MS, nowMs + Math.min(MAX_KEPT_MS, (doneMs - nowMs) * (1 + KEPT_TIMES)));
        if (this.#answered === undefined || this.#answered.atMs < nowMs) this.#answered = { atMs: nowMs, services };
      },
      // A failure is not kept.
      () => {
        if (this.#latest === latest) this.#latest = undefined;
      },
    );
    return survey;
  }
}
