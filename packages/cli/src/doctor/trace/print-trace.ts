/** The report of `lane doctor --trace` as text. */
import { counted, styled } from '../../output.js';
import type { TraceProblem } from './judge.js';
import type { Trace } from './run-trace.js';

/** Prints a trace. */
export function printTrace(trace: Trace, command: readonly string[]): void {
  const answers = Object.entries(trace.answers)
    .map(([answer, count]) => `${count} × ${answer}`)
    .join(', ');
  console.log(styled('bold', `${command.join(' ')} (Node ${trace.node.replace('v', '')}), port ${trace.port}: ${answers}`));
  for (const { call, counts, client } of trace.places) {
    const told = (['right', 'lost', 'mixed', 'leaked', 'unknown', 'background'] as const)
      .filter((verdict) => counts[verdict] > 0)
      .map((verdict) => `${counts[verdict]} ${verdict === 'unknown' ? 'not known' : verdict}`);
    console.log(`  ${call}  (${client})  ${told.join(', ')}`);
  }
  for (const problem of trace.problems) printProblem(problem);
  for (const note of trace.notes) console.log(`${styled('cyan', 'note'.padEnd(6))}  ${note}`);
  const problems = counted(trace.problems.length, 'problem');
  if (trace.problems.length > 0) console.log(styled('red', problems));
  else console.log(trace.ok ? styled('green', 'every call seen is in its lane') : styled('yellow', 'nothing is proved'));
}

const EVIDENCE = {
  id: "by the request's id in the call",
  'hand-over': 'by the function that the request handed over',
  context: 'by the context of the call',
  alone: 'by the only request in flight',
} as const;

function printProblem({ verdict, call, count, of, message, evidence, library, version, where, remedy }: TraceProblem): void {
  console.log(
    `${styled('red', verdict.padEnd(6))}  ${call}: ${count} of ${counted(of, 'call')}${library === undefined ? '' : `, ${library} ${version ?? ''}`.trimEnd()}`,
  );
  const indent = ' '.repeat(8);
  console.log(`${indent}${message}`);
  for (const { what, at } of where) console.log(`${indent}${what} ${at}`);
  console.log(`${indent}known ${evidence === undefined ? 'by the number of calls' : EVIDENCE[evidence]}`);
  console.log(`${indent}→ ${remedy}`);
}
