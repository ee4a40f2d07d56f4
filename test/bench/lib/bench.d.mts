/** What others than benchmarks use of this. */
export interface Spread {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
}

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: ReadonlyArray<ReadonlyArray<string | number | Spread>>;
  readonly digits?: number;
}

/** A table as Markdown, ending in a line break. */
export function markdownOf(table: Table): string;
