/** What the registry knows, asked for by many pages and looked up once. */
import { surveyServices, type NacosConnection, type SurveyedService } from '@lane/nacos-registry';

/** However many pages are open, the registry is not asked more often. */
const KEPT_MS = 1_000;

/** Looks at the registry when asked to. */
export class Surveyor {
  readonly #connection: NacosConnection;
  readonly #group: string | undefined;
  #latest: { readonly atMs: number; readonly survey: Promise<readonly SurveyedService[]> } | undefined;

  /** `group` is Nacos's grouping of services. */
  constructor(connection: NacosConnection, group: string | undefined) {
    this.#connection = connection;
    this.#group = group;
  }

  /** All services, as the registry has them now or had them within the last second. */
  survey(): Promise<readonly SurveyedService[]> {
    const nowMs = performance.now();
    if (this.#latest !== undefined && nowMs - this.#latest.atMs < KEPT_MS) return this.#latest.survey;
    const survey = surveyServices(this.#connection, { group: this.#group });
    const latest = (this.#latest = { atMs: nowMs, survey });
    // A failure is not kept.
    survey.catch(() => {
      if (this.#latest === latest) this.#latest = undefined;
    });
    return survey;
  }
}
