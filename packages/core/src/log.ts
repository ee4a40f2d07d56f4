/** What a package of ours reports to: the agent's log, a command's terminal, or nothing. */
export interface Log {
  /** `fields` go beside the message in JSON output, and after it in text. */
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
}

/** Named values of a log line. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A log that keeps silent. */
export const SILENT_LOG: Log = { error() {}, warn() {}, info() {}, debug() {} };
