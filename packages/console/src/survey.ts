/** Lists the registry once for many pages. Reads tags in the console's formats and by the given lane groups. */
import { InstanceTags, surveyServices, tablesOf, type FormatName, type ServiceTable, type SurveyedService } from '@lane/core/model';
import type { LaneRules } from '@lane/core/rules';
import { DEFAULT_GROUP, type NacosConnection, type NacosInstance } from '@lane/nacos-registry';

/** Minimum interval between queries of the registry, however many pages are open. */
const KEPT_MS = 1_000;
/** Keeps results for this many times the duration of a query, which is long for large registries. */
const KEPT_TIMES = 3;
const MAX_KEPT_MS = 8_000;
/** After this, a page gets the previous result instead of waiting for the registry. */
const PATIENCE_MS = 400;
/** Maximum age of that previous result. */
const MAX_AGE_MS = 20_000;

/** The services of the registry. */
export interface Survey {
  readonly services: ReadonlyArray<SurveyedService<NacosInstance>>;
  /** How long ago the registry was queried. */
  readonly ageMs: number;
}

/** Queries the registry on demand. */
export class Surveyor {
  readonly #connection: NacosConnection;
  readonly #group: string;
  readonly #formats: readonly FormatName[];
  /** The latest result, and when it was requested. */
  #answered: { readonly atMs: number; readonly services: Survey['services'] } | undefined;
  #latest: { readonly atMs: number; keptUntilMs: number; readonly survey: Promise<ReadonlyArray<SurveyedService<NacosInstance>>> } | undefined;

  /** `group` is Nacos's grouping of services; `formats` are the agents' (LANE_FORMATS): some define how instances carry tags. */
  constructor(connection: NacosConnection, group: string | undefined, formats: readonly FormatName[]) {
    this.#connection = connection;
    this.#group = group ?? DEFAULT_GROUP;
    this.#formats = formats;
  }

  /** Reads the tags of instances under lane groups. */
  tagsUnder(rules: LaneRules | undefined): InstanceTags {
    return new InstanceTags(this.#formats, rules);
  }

  /** Tables of the surveyed services, under lane groups. */
  tablesOf(survey: readonly SurveyedService[], rules: LaneRules | undefined): (service: string) => ServiceTable | undefined {
    return tablesOf(survey, rules, { formats: this.#formats });
  }

  /** The registry's services without a long wait: the previous result, if the registry is slow to list very many. */
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

  /** All services, at most a second old; for a large registry, a few seconds. */
  survey(): Promise<ReadonlyArray<SurveyedService<NacosInstance>>> {
    const nowMs = performance.now();
    if (this.#latest !== undefined && nowMs < this.#latest.keptUntilMs) return this.#latest.survey;
    const survey = surveyServices(this.#connection, { group: this.#group });
    const latest = (this.#latest = { atMs: nowMs, keptUntilMs: Number.POSITIVE_INFINITY, survey });
    survey.then(
      (services) => {
        const doneMs = performance.now();
        latest.keptUntilMs = Math.max(nowMs + KEPT_MS, nowMs + Math.min(MAX_KEPT_MS, (doneMs - nowMs) * (1 + KEPT_TIMES)));
        if (this.#answered === undefined || this.#answered.atMs < nowMs) this.#answered = { atMs: nowMs, services };
      },
      // Failures are not cached.
      () => {
        if (this.#latest === latest) this.#latest = undefined;
      },
    );
    return survey;
  }
}
