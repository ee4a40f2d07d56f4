/** nginx's grammar (ngx_conf_read_token, ngx_http_script): texts in quotes, blocks, and variables that are defined once. */

/** nginx reads its file in pieces of 4,096 bytes (NGX_CONF_BUFFER), and no word may be longer. */
const MAX_WORD_BYTES = 4_000;

/** A text in quotes: a backslash and a quote are written with a backslash, all else as it is. */
export function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

/** Whether a text is short enough to be one word. */
export function isWord(text: string): boolean {
  return new TextEncoder().encode(quote(text)).length <= MAX_WORD_BYTES;
}

/** A block. */
export function block(head: string, lines: readonly string[]): string {
  return [`${head} {`, ...lines.map((line) => (line.endsWith('}') ? line.replace(/^(?=.)/gm, '    ') : `    ${line};`)), '}'].join('\n');
}

/** The name by which {@link Variables.literal} writes a dollar. */
const DOLLAR = 'lane_dollar';

/** The variables of a configuration: maps and the like over other variables, each made once. */
export class Variables {
  /** What defines them, in order. */
  readonly blocks: string[] = [];
  readonly #known = new Map<string, string>();
  #count = 0;
  #hasDollar = false;

  /** A variable that a block of lines sets; the same one for the same block. */
  define(keyword: 'map' | 'geo' | 'split_clients', source: string, lines: readonly string[], prefix = 'lane'): string {
    return this.once(JSON.stringify([keyword, source, lines]), () => {
      const name = `$${prefix}_${++this.#count}`;
      this.blocks.push(`${keyword} ${source === '' ? '' : `${source} `}${name} {\n${lines.map((line) => `    ${line};`).join('\n')}\n}`);
      return name;
    });
  }

  /** What `make` gives, made once. */
  once(id: string, make: () => string): string {
    let made = this.#known.get(id);
    if (made === undefined) this.#known.set(id, (made = make()));
    return made;
  }

  /** A new name for what a regular expression captures. */
  capture(): string {
    return `lane_c${++this.#count}`;
  }

  /** A text in quotes where variables are put in: a dollar can only be written as a variable that is one. */
  literal(text: string): string {
    if (!text.includes('$')) return quote(text);
    if (!this.#hasDollar) this.blocks.unshift(`geo $${DOLLAR} {\n    default "$";\n}`);
    this.#hasDollar = true;
    return quote(text).replaceAll('$', `\${${DOLLAR}}`);
  }
}
