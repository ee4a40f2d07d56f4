/** What the doctor finds. */

/** What was looked at. */
export type CheckName = 'node' | 'agent' | 'options' | 'nacos' | 'lane-groups' | 'service' | 'tag' | 'base';

/** `error`: lanes do not work so; `warning`: something may not be as meant; `note`: could not be looked at, or good to know. */
export type Level = 'ok' | 'note' | 'warning' | 'error';

/** One thing that is right or wrong, in a sentence, and what to do about it. */
export interface Finding {
  readonly check: CheckName;
  readonly level: Level;
  readonly message: string;
  readonly remedy?: string;
}

/** Collects findings in the order in which they are made. */
export class Findings {
  readonly all: Finding[] = [];

  ok(check: CheckName, message: string): void {
    this.all.push({ check, level: 'ok', message });
  }
  note(check: CheckName, message: string, remedy?: string): void {
    this.#add('note', check, message, remedy);
  }
  warning(check: CheckName, message: string, remedy: string): void {
    this.#add('warning', check, message, remedy);
  }
  error(check: CheckName, message: string, remedy: string): void {
    this.#add('error', check, message, remedy);
  }

  #add(level: Level, check: CheckName, message: string, remedy: string | undefined): void {
    this.all.push({ check, level, message, ...(remedy === undefined ? {} : { remedy }) });
  }
}
