/** Output and signals of commands at a terminal. */
import { onOneLine, SILENT_LOG, type Log, type LogFields } from '@lane/core/model';

/** Logs errors and warnings on stderr. */
export const TERMINAL_LOG: Log = {
  ...SILENT_LOG,
  error: (message, fields) => console.error(lineOf('error', message, fields)),
  warn: (message, fields) => console.error(lineOf('warning', message, fields)),
};

function lineOf(level: string, message: string, fields: LogFields | undefined): string {
  return onOneLine(`${level}: ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}`);
}

/** Prints a line for people, sends the port to the parent process, and resolves as {@link untilAskedToStop}. Who reads the line may ask at once. */
export function announceUntilAskedToStop(port: number, line: string): Promise<void> {
  const asked = untilAskedToStop();
  console.log(line);
  process.send?.({ port });
  return asked;
}

/** Resolves at the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. */
export function untilAskedToStop(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  });
}
