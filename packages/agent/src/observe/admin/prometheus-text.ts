/** Prometheus' text format, version 0.0.4. A library (prom-client) brings registries and types that our counters do not need. */

/** The content type of the format. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Labels of a sample, in order. */
export type Labels = Readonly<Record<string, string>>;

/** Writes metrics, grouping each metric's samples. */
export class PrometheusText {
  readonly #common: Labels;
  #text = '';

  /** `common`: labels of all samples. */
  constructor(common: Labels) {
    this.#common = common;
  }

  /** Starts a metric. Its samples follow. */
  metric(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): void {
    this.#text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
  }

  /** One sample; `name` is that of its metric, of a histogram with `_bucket`, `_sum` or `_count`. */
  sample(name: string, labels: Labels, value: number): void {
    let text = '';
    for (const [label, content] of Object.entries({ ...this.#common, ...labels }))
      text += `${text === '' ? '' : ','}${label}="${escapeLabel(content)}"`;
    this.#text += `${name}${text === '' ? '' : `{${text}}`} ${value}\n`;
  }

  /** The text so far. */
  toString(): string {
    return this.#text;
  }
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
