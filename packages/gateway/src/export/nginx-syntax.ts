/** nginx's grammar (ngx_conf_read_token, ngx_http_script): texts in quotes, blocks, and variables that are defined once. */

/** nginx reads its file in pieces of 4,096 bytes (NGX_CONF_BUFFER), and no word may be longer. */
const MAX_WORD_BYTES = 4_000;

/** A quoted string: a backslash and a quote get a backslash, everything else stays. */
export function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

/** Whether a text fits into one word. */
export function isWord(text: string): boolean {
  return new TextEncoder().encode(quote(text)).length <= MAX_WORD_BYTES;
}

/** A block. */
export function block(head: string, lines: readonly string[]): string {
  return [`${head} {`, ...lines.map((line) => (line.endsWith('}') ? line.replace(/^(?=.)/gm, '    ') : `    ${line};`)), '}'].join('\n');
}

/** The variable with which {@link Variables.literal} writes a dollar. */
const DOLLAR = 'lane_dollar';

/** The variables of a configuration: maps and the like over other variables, each defined once. */
export class Variables {
  /** Their definitions, in order. */
  readonly blocks: string[] = [];
  readonly #known = new Map<string, string>();
  #count = 0;
  #hasDollar = false;

  /** The variable of a block of lines; the same for an equal block. */
  define(keyword: 'map' | 'geo' | 'split_clients', source: string, lines: readonly string[], prefix = 'lane'): string {
    return this.once(JSON.stringify([keyword, source, lines]), () => {
      const name = `$${prefix}_${++this.#count}`;
      this.blocks.push(`${keyword} ${source === '' ? '' : `${source} `}${name} {\n${lines.map((line) => `    ${line};`).join('\n')}\n}`);
      return name;
    });
  }

  /** The result of `make`, created once. */
  once(id: string, make: () => string): string {
    let made = this.#known.get(id);
    if (made === undefined) this.#known.set(id, (made = make()));
    return made;
  }

  /** A new name for a capture of a regular expression. */
  capture(): string {
    return `lane_c${++this.#count}`;
  }

  /** A quoted string in which nginx expands variables: a dollar has to be written as a variable. */
  literal(text: string): string {
    if (!text.includes('$')) return quote(text);
    if (!this.#hasDollar) this.blocks.unshift(`geo $${DOLLAR} {\n    default "$";\n}`);
    this.#hasDollar = true;
    return quote(text).replaceAll('$', `\${${DOLLAR}}`);
  }
}
