/** Headers as a flat list of alternating names and values, as in Node: keeps order, case and repetition. */
import type { OutboundHeaders } from '@lane/core/model';

/** A list to build, read, and pass to Node. */
export class HeaderLines implements OutboundHeaders {
  /** Name, value, name, value. */
  readonly flat: string[] = [];
  readonly #names: string[] = [];

  add(name: string, value: string, lower = name.toLowerCase()): void {
    this.flat.push(name, value);
    this.#names.push(lower);
  }

  get(name: string): string | string[] | undefined {
    let found: string | string[] | undefined;
    for (let i = this.#names.indexOf(name); i !== -1; i = this.#names.indexOf(name, i + 1)) {
      const value = this.flat[i * 2 + 1] as string;
      if (found === undefined) found = value;
      else if (typeof found === 'string') found = [found, value];
      else found.push(value);
    }
    return found;
  }

  set(name: string, value: string): void {
    const i = this.#names.indexOf(name);
    if (i === -1) {
      this.add(name, value, name);
      return;
    }
    this.flat[i * 2 + 1] = value;
    for (let more = this.#names.indexOf(name, i + 1); more !== -1; more = this.#names.indexOf(name, more)) this.#removeAt(more);
  }

  remove(name: string): void {
    for (let i = this.#names.indexOf(name); i !== -1; i = this.#names.indexOf(name, i)) this.#removeAt(i);
  }

  #removeAt(i: number): void {
    this.#names.splice(i, 1);
    this.flat.splice(i * 2, 2);
  }
}
