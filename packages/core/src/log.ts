/** Where our packages report: the agent's log, a command's terminal, or nowhere. */
export interface Log {
  /** `fields` go beside the message in JSON output, and after it in text. */
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
}

/** Named values of a log line. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A log that writes nothing. */
export const SILENT_LOG: Log = { error() {}, warn() {}, info() {}, debug() {} };

/** Characters with an effect on terminals or line readers: controls, line separators, and direction marks. */
// oxlint-disable-next-line no-control-regex -- these are what it is about
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A text as one line for people: invisible characters are escaped as in JSON, `\\u001b`. */
export function onOneLine(text: string): string {
  return text.replace(CONTROLS, escaped);
}

/** A text of several lines for people, escaped likewise except tabs and line ends. */
export function printable(text: string): string {
  return text.replace(CONTROLS, (character, at: number) =>
    character === '\n' || character === '\t' || (character === '\r' && text[at + 1] === '\n') ? character : escaped(character),
  );
}

function escaped(character: string): string {
  return character === '\n' ? '\\n' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** The text of one or several addresses without a user and password, for use in messages. */
export function withoutCredentials(address: string): string {
  return address.replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, '$1…@');
}
