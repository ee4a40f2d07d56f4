/** The baggage header for nginx, which can't edit headers: maps that remove members, and prepend the tag. */
import { droppedMember } from './client-baggage.js';
import { quote, type Variables } from './nginx-syntax.js';
import type { Plan } from './plan.js';

/** How many members of one baggage header may be dropped; with more it is dropped whole. */
const PASSES = 4;

/** A variable with the client's baggage, without what only an entry may set. */
export function clientBaggage(plan: Plan, variables: Variables): string {
  const dropped = droppedMember(plan.ownEntries);
  let rest = '$http_baggage';
  for (let pass = 0; pass < PASSES; pass++) {
    const [before, after] = [variables.capture(), variables.capture()];
    const pattern = `~^(?<${before}>(?:.*,)?)${dropped},?(?<${after}>.*)$`;
    rest = variables.define('map', rest, [`default ${rest}`, `${quote(pattern)} $${before}$${after}`]);
  }
  plan.note('nginx before 1.23 keeps only the first of several baggage lines');
  const kept = variables.capture();
  return variables.define('map', rest, [
    `${quote(`~(?:^|,)${dropped}`)} ""`,
    `${quote(`~^[ \\t,]*(?<${kept}>.*?)[ \\t,]*$`)} $${kept}`,
    'default ""',
  ]);
}

/** A variable with the client's baggage and the tag in the variable `lane`. */
export function baggageVariable(plan: Plan, variables: Variables, lane: string, rest: string): string {
  if (plan.writtenEntries.length === 0) return rest;
  return variables.once(`baggage of ${lane}`, () => {
    const [alone, tag, both, second] = [variables.capture(), variables.capture(), variables.capture(), variables.capture()];
    // Variables stay outside of quoted literals, because a key may contain a dollar.
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
