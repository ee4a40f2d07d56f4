/** Prometheus' text format, version 0.0.4. A library for it (prom-client) has registries and types that our counters have no use for. */

/** The content type of the format. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Labels of a sample, in order. */
export type Labels = Readonly<Record<string, string>>;

/** Writes metrics; each metric's samples stand together. */
export class PrometheusText {
  readonly #common: Labels;
  #text = '';

  /** `common`: labels of all samples. */
  constructor(common: Labels) {
    this.#common = common;
  }

  /** Begins a metric. Samples of it follow. */
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

  /** What has been written. */
  toString(): string {
    return this.#text;
  }
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
