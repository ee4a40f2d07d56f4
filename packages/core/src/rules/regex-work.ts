/**
 * The most work that a regular expression can take for any value. An automaton without backtracking visits each instruction of its program
 * once for each place in the value, and only those that earlier characters have led to. We count these. (re2js 2.10: BitState.tryBacktrack visits
 * no pair of instruction and place twice, Machine.add none twice at a place, and OnePass.execute follows one way of those.)
 */
import { compileRe2, MAX_REGEX_INPUT } from './matchers.js';

/** An instruction of a program (re2js 2.10: Inst). */
interface Instruction {
  readonly op: number;
  /** Where it leads. */
  readonly out: number;
  /** Its alternative, or its assertion, by kind. */
  readonly arg: number;
  /** Whether it takes a character; only for those that can. */
  matchRune(codePoint: number): boolean;
}

/** Kinds of instructions (re2js 2.10: Inst, as regexp/syntax of Go has them). Those from the last on take a character. */
const [ALTERNATIVES, ALTERNATIVES_OR_MATCH, CAPTURE, EMPTY_WIDTH, NOTHING, CHARACTERS] = [1, 2, 3, 4, 7, 8];
/** Asserts that a place is the start of the value (re2js 2.10: Utils.EMPTY_BEGIN_TEXT). */
const BEGINNING = 4;

/** Budget to classify characters and follow instructions for one expression: some ms. Beyond it, all states count as alive. */
const MOST_COMPARISONS = 100_000;
const MOST_FOLLOWED = 1_000_000;

/** Upper bounds for a regular expression. */
export interface RegexWork {
  /** Visits of an instruction at one place in the value. */
  readonly steps: number;
  /** Searches of the whole value for the texts that a match would have to hold. */
  readonly scans: number;
}

/**
 * Counts the work of an expression. Beyond `mostSteps`, it returns a bound instead: all instructions at all places.
 * Throws like `compileRegex`.
 */
export function regexWork(source: string, ignoreCase: boolean, mostSteps: number): RegexWork {
  const { prog, cond, dfa, prefilter, prefixComplete, numSubexp } = compileRe2(source, ignoreCase).re2();
  // A text alone is searched for as one.
  if (prefixComplete && numSubexp === 0) return { steps: 0, scans: 1 };
  const { inst: instructions, start } = prog as { inst: Instruction[]; start: number };
  // Tried only at the start.
  const isAnchored = (cond & BEGINNING) !== 0;
  const scans = (prefilter as { cost: number } | null)?.cost ?? 0;
  const all = { steps: instructions.length * (MAX_REGEX_INPUT + 1), scans };
  const classes = takersOf(instructions, [0, ...dfa.classBounds]);

  /** The round in which an instruction was last reached. */
  const reachedIn = new Int32Array(instructions.length);
  let round = 0;
  /** Adds the instructions reachable without a character. */
  const follow = (from: number, isBeginning: boolean, reached: number[]): void => {
    const open = [from];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      // 0 is the instruction that fails.
      if (at === 0 || reachedIn[at] === round) continue;
      reachedIn[at] = round;
      reached.push(at);
      const { op, out, arg } = instructions[at] as Instruction;
      if (op === ALTERNATIVES || op === ALTERNATIVES_OR_MATCH) open.push(arg, out);
      // Other assertions are assumed to hold.
      else if (op === CAPTURE || op === NOTHING || (op === EMPTY_WIDTH && (isBeginning || (arg & BEGINNING) === 0))) open.push(out);
    }
  };

  let alive: number[] = [];
  round++;
  follow(start, true, alive);
  let steps = alive.length;
  let followed = 0;
  for (let place = 1; place <= MAX_REGEX_INPUT; place++) {
    const union = new Set<number>();
    let most = 0;
    for (const takes of classes) {
      const reached: number[] = [];
      round++;
      for (const at of alive) if (takes[at] === 1) follow((instructions[at] as Instruction).out, false, reached);
      if (!isAnchored) follow(start, false, reached);
      for (const at of reached) union.add(at);
      most = Math.max(most, reached.length);
      followed += alive.length + reached.length;
    }
    if (union.size === 0) break;
    if (union.size === alive.length && alive.every((at) => union.has(at))) {
      steps += most * (MAX_REGEX_INPUT - place + 1);
      break;
    }
    steps += most;
    if (steps > mostSteps || followed > MOST_FOLLOWED) return all;
    alive = [...union];
  }
  return steps > mostSteps ? all : { steps, scans };
}

/**
 * For each class of characters, the instructions that take it: 1 at their places. One character stands for each range that no instruction divides. If
 * there are too many classes, a single class that all take.
 */
function takersOf(instructions: readonly Instruction[], characters: readonly number[]): Uint8Array[] {
  const takers: number[] = [];
  instructions.forEach(({ op }, at) => {
    if (op >= CHARACTERS) takers.push(at);
  });
  if (takers.length * characters.length > MOST_COMPARISONS) return [Uint8Array.from(instructions, ({ op }) => (op >= CHARACTERS ? 1 : 0))];
  const kinds = new Map<string, Uint8Array>();
  for (const character of characters) {
    const taking = takers.filter((at) => (instructions[at] as Instruction).matchRune(character));
    const key = taking.join();
    if (kinds.has(key)) continue;
    const takes = new Uint8Array(instructions.length);
    for (const at of taking) takes[at] = 1;
    kinds.set(key, takes);
  }
  return [...kinds.values()];
}
