import { LOG_LEVELS, type LogLevel } from '@lane/core/agent';
import { onOneLine, type Log, type LogFields } from '@lane/core/model';

/** The agent's log: one line per message on stderr. */
export interface AgentLog extends Log {
  /** Logs a message once, however often it comes up. */
  once(key: string, level: 'error' | 'warn' | 'info', message: string, fields?: LogFields): void;
}

/** How many different messages are logged once each; further ones are dropped, so that they fill neither memory nor disk. */
const MAX_ONCE = 500;

/** Creates a log. `write` gets whole lines. */
export function createLog(level: LogLevel, json: boolean, write: (line: string) => void = writeStderr): AgentLog {
  const enabled = LOG_LEVELS.indexOf(level);
  const said = new Set<string>();

  function emit(at: number, message: string, fields: LogFields | undefined): void {
    if (at > enabled) return;
    const name = LOG_LEVELS[at] as string;
    try {
      if (json) write(`${JSON.stringify({ time: new Date().toISOString(), level: name, name: 'lane', pid: process.pid, message, ...fields })}\n`);
      // One line, whatever is in it: text from requests and registries must not look like a line of ours, or move a terminal's cursor.
      else write(`${onOneLine(`lane ${name}: ${message}${fields === undefined ? '' : textOf(fields)}`)}\n`);
    } catch {
      // There is nowhere left to log it.
    }
  }

  return {
    error: (message, fields) => emit(1, message, fields),
    warn: (message, fields) => emit(2, message, fields),
    info: (message, fields) => emit(3, message, fields),
    debug: (message, fields) => emit(4, message, fields),
    once(key, at, message, fields) {
      if (said.has(key) || said.size >= MAX_ONCE) return;
      said.add(key);
      emit(LOG_LEVELS.indexOf(at), message, fields);
    },
  };
}

function textOf(fields: LogFields): string {
  let text = '';
  for (const [name, value] of Object.entries(fields)) text += ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`;
  return text;
}

function writeStderr(line: string): void {
  process.stderr.write(line);
}
