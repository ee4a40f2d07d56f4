/** What the registry knows, asked for by many pages and looked up once. */
import { surveyServices, type FormatName, type SurveyedService } from '@lane/core/model';
import type { NacosConnection } from '@lane/nacos-registry';

/** However many pages are open, the registry is not asked more often. */
const KEPT_MS = 1_000;

/** Looks at the registry when asked to. */
export class Surveyor {
  readonly #connection: NacosConnection;
  readonly #group: string;
  readonly #formats: readonly FormatName[];
  #latest: { readonly atMs: number; readonly survey: Promise<readonly SurveyedService[]> } | undefined;

  /** `group` is Nacos's grouping of services; the tags of instances are read in `formats`. */
  constructor(connection: NacosConnection, group: string, formats: readonly FormatName[]) {
    this.#connection = connection;
    this.#group = group;
    this.#formats = formats;
  }

  /** All services, as the registry has them now or had them within the last second. */
  survey(): Promise<readonly SurveyedService[]> {
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
