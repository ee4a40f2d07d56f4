/** The forms in which clients hold outbound headers. */
import type { HeaderLines, OutboundHeaders } from '@lane/core/model';

/** Node's array headers, flat or in pairs: works on a copy, because the array belongs to the app. */
export class ArrayHeaders implements OutboundHeaders {
  readonly #pairs: Array<[string, string | readonly string[]]> = [];
  readonly #flat: boolean;

  constructor(headers: readonly unknown[]) {
    this.#flat = !Array.isArray(headers[0]);
    if (this.#flat) for (let i = 0; i + 1 < headers.length; i += 2) this.#pairs.push([String(headers[i]), headers[i + 1] as string]);
    else for (const pair of headers as ReadonlyArray<[string, string]>) this.#pairs.push([String(pair[0]), pair[1]]);
  }

  get(name: string): HeaderLines {
    const lines: string[] = [];
    for (const [key, value] of this.#pairs) {
      if (key.toLowerCase() !== name) continue;
      if (Array.isArray(value)) for (const line of value as readonly string[]) lines.push(String(line));
      else lines.push(String(value));
    }
    return lines.length === 0 ? undefined : lines;
  }

  set(name: string, value: string): void {
    const at = this.#pairs.findIndex(([key]) => key.toLowerCase() === name);
    if (at === -1) {
      this.#pairs.push([name, value]);
      return;
    }
    (this.#pairs[at] as [string, string])[1] = value;
    for (let i = this.#pairs.length - 1; i > at; i--) if ((this.#pairs[i] as [string, string])[0].toLowerCase() === name) this.#pairs.splice(i, 1);
  }

  remove(name: string): void {
    for (let i = this.#pairs.length - 1; i >= 0; i--) if ((this.#pairs[i] as [string, string])[0].toLowerCase() === name) this.#pairs.splice(i, 1);
  }

  /** The headers in their original form. */
  toArray(): unknown[] {
    return this.#flat ? this.#pairs.flat() : this.#pairs;
  }
}

/** Copied headers that can be returned in their original form. */
export interface CopiedHeaders extends OutboundHeaders {
  toHeaders(): unknown;
}

/** A copy of headers in any form that undici takes: object, flat array, or iterable of pairs. */
export function copyHeaders(headers: unknown): CopiedHeaders {
  if (Array.isArray(headers)) return new CopiedArray(headers);
  if (headers !== null && typeof headers === 'object' && Symbol.iterator in headers)
    return new CopiedArray([...(headers as Iterable<[string, string]>)].flat());
  return new CopiedObject((headers ?? {}) as Record<string, HeaderLines>);
}

class CopiedArray extends ArrayHeaders implements CopiedHeaders {
  toHeaders(): unknown {
    return this.toArray();
  }
}

class CopiedObject implements CopiedHeaders {
  readonly #values: Record<string, HeaderLines>;
  constructor(headers: Record<string, HeaderLines>) {
    this.#values = { ...headers };
  }
  get(name: string): HeaderLines {
    const exact = this.#values[name];
    if (exact !== undefined) return exact;
    const key = this.#keyOf(name);
    return key === undefined ? undefined : this.#values[key];
  }
  set(name: string, value: string): void {
    this.remove(name);
    this.#values[name] = value;
  }
  remove(name: string): void {
    for (let key = this.#keyOf(name); key !== undefined; key = this.#keyOf(name)) delete this.#values[key];
  }
  toHeaders(): unknown {
    return this.#values;
  }
  #keyOf(name: string): string | undefined {
    for (const key in this.#values) if (key.length === name.length && key.toLowerCase() === name) return key;
    return undefined;
  }
}
