/** The baggage header for nginx, which can't edit one: maps that take members out of it, and put the tag before it. */
import { droppedMember } from './client-baggage.js';
import { quote, type Variables } from './nginx-syntax.js';
import type { Plan } from './plan.js';

/** How many members of one baggage header may be dropped; with more it is dropped whole. */
const PASSES = 4;

/** A variable with the client's baggage, without what only an entry may say. */
export function clientBaggage(plan: Plan, variables: Variables): string {
  const dropped = droppedMember(plan.ownEntries);
  let rest = '$http_baggage';
  for (let pass = 0; pass < PASSES; pass++) {
    const [before, after] = [variables.capture(), variables.capture()];
    const pattern = `~^(?<${before}>(?:.*,)?)${dropped},?(?<${after}>.*)$`;
    rest = variables.define('map', rest, [`default ${rest}`, `${quote(pattern)} $${before}$${after}`]);
  }
  plan.note('of several baggage lines nginx before 1.23 keeps the first');
  const kept = variables.capture();
  return variables.define('map', rest, [
    `${quote(`~(?:^|,)${dropped}`)} ""`,
    `${quote(`~^[ \\t,]*(?<${kept}>.*?)[ \\t,]*$`)} $${kept}`,
    'default ""',
  ]);
}

/** A variable with the client's baggage and the tag that the variable `lane` has. */
export function baggageVariable(plan: Plan, variables: Variables, lane: string, rest: string): string {
  if (plan.writtenEntries.length === 0) return rest;
  return variables.once(`baggage of ${lane}`, () => {
    const [alone, tag, both, second] = [variables.capture(), variables.capture(), variables.capture(), variables.capture()];
    // Variables stand outside of the quotes' text: a key may hold a dollar.
    const written = (variable: string): string =>
      plan.writtenEntries.map(({ pieces }) => pieces.map((piece) => inner(variables.literal(piece))).join(`\${${variable}}`)).join(',');
    return variables.define('map', `"${lane}|${rest}"`, [
      'default ""',
      `${quote(`~^\\|(?<${alone}>.*)$`)} $${alone}`,
      `${quote(`~^(?<${tag}>[^|]+)\\|$`)} "${written(tag)}"`,
      `${quote(`~^(?<${both}>[^|]+)\\|(?<${second}>.+)$`)} "${written(both)},\${${second}}"`,
    ]);
  });
}

function inner(quoted: string): string {
  return quoted.slice(1, -1);
}
