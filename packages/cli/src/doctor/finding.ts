/** What the doctor finds. */

/** The subject of the check. */
export type CheckName = 'node' | 'agent' | 'options' | 'nacos' | 'lane-groups' | 'service' | 'tag' | 'base';

/** `error`: lanes do not work like this; `warning`: something may not be as intended; `note`: could not be checked, or good to know. */
export type Level = 'ok' | 'note' | 'warning' | 'error';

/** One result of a check, in a sentence, with its remedy. */
export interface Finding {
  readonly check: CheckName;
  readonly level: Level;
  readonly message: string;
  readonly remedy?: string;
}

/** Collects findings in order. */
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
