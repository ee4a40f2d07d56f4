/** CPU time and memory of other processes; Linux. */
import { readdirSync, readFileSync } from 'node:fs';

/** CPU seconds that processes have used so far, in steps of 10 ms, and their anonymous memory in MiB. NaN if one is gone. */
export function usageOf(pids) {
  let ticks = 0;
  let kib = 0;
  for (const pid of pids) {
    try {
      const fields = fieldsOf(pid);
      ticks += Number(fields[11]) + Number(fields[12]);
      kib += Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    } catch {
      return { cpu: NaN, memory: NaN };
    }
  }
  return { cpu: ticks / 100, memory: kib / 1_024 };
}

/** A process and its children. */
export function family(pid) {
  const all = [pid];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (Number(fieldsOf(name)[1]) === pid) all.push(Number(name));
    } catch {
      // Gone since.
    }
  }
  return all;
}

/** The fields after the name in `/proc/PID/stat`, see proc(5). */
function fieldsOf(pid) {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
}
