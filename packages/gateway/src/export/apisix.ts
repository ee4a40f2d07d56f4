/**
 * APISIX: an apisix.yaml for standalone mode; the same objects can be sent to its Admin API. Conditions are expressions of
 * lua-resty-expr, shares use the random request id, and a Lua function edits the baggage.
 */
import type { Tag } from '@lane/core/model';
import { LUA_HIDES, LUA_PLAIN_MEMBER } from './client-baggage.js';
import { leavesOf, searchedRegex, type Condition, type Leaf } from './condition.js';
import { luaSet, luaText } from './lua.js';
import { orderedRoutes, takesEveryPath, wholeWeights, type Plan, type PlannedRoute, type PlannedRule } from './plan.js';
import type { ExportTarget } from './target.js';
import { toYaml } from './yaml.js';

/** Apache APISIX. */
export const apisix: ExportTarget = {
  name: 'apisix',
  title: 'APISIX 3',
  output: 'apisix.yaml, standalone',
  file: 'apisix.yaml',
  needsAddresses: true,
  // APISIX requires this at the end of a file.
  write: (plan) => `${toYaml(configurationOf(plan))}#END\n`,
};

type Expression = readonly unknown[];

function configurationOf(plan: Plan): object {
  const routes: object[] = [];
  const all = orderedRoutes(plan);
  const most = all.reduce((count, { rules }) => count + rules.length + 1, 0);
  let shares = 0;
  const add = (route: PlannedRoute, tag: Tag | undefined, name: string, vars: Expression | undefined): void => {
    const upstream = route.upstreamOf(tag);
    routes.push({
      id: `lane-${routes.length + 1}`,
      name,
      // Higher ones are tried first.
      priority: most - routes.length,
      uris: takesEveryPath(route) ? ['/*'] : route.pathType === 'exact' ? [route.path] : [route.path, `${route.path}/*`],
      ...(route.isDefault || route.host === '*' ? {} : { hosts: [route.host] }),
      ...(vars === undefined ? {} : { vars }),
      enable_websocket: true,
      plugins: {
        'serverless-pre-function': { phase: 'rewrite', functions: [luaOf(plan, tag)] },
        ...(upstream === undefined
          ? { 'fault-injection': { abort: { http_status: 503, body: `no instance of ${route.service} for this lane\n` } } }
          : {}),
      },
      ...(upstream === undefined ? { upstream: { type: 'roundrobin', nodes: { '127.0.0.1:1': 1 } } } : { upstream_id: upstream.name }),
    });
  };
  for (const route of all) {
    if (route.host.startsWith('*.')) plan.note(`host ${route.host} also matches names with several labels in place of the *`);
    for (const rule of route.rules) {
      if (rule.percent === 0) continue;
      if (rule.by !== undefined) {
        plan.gap('a sticky share can’t be expressed; the rule is left out', rule);
        continue;
      }
      const problem = rule.condition === undefined ? undefined : problemOf(rule.condition);
      if (problem !== undefined) {
        plan.gap(`${problem}; the rule is left out`, rule);
        continue;
      }
      const parts: Expression[] = [];
      if (rule.condition !== undefined) parts.push(expressionOf(plan, rule.condition, rule));
      if (rule.percent !== undefined) parts.push(shareOf(rule.percent, shares++ % 7));
      // Either a list of expressions, or an operator and its operands.
      const [only] = parts;
      const vars = parts.length === 0 ? undefined : parts.length > 1 ? ['AND', ...parts] : isOperator(only as Expression) ? only : [only];
      add(route, rule.tag, rule.name, vars);
    }
    add(route, route.tag, route.service, undefined);
  }
  return {
    routes,
    upstreams: plan.upstreams.map(({ name, instances }) => {
      const weights = wholeWeights(instances);
      return { id: name, type: 'roundrobin', nodes: instances.map(({ ip, port }, i) => ({ host: ip, port, weight: weights[i] })) };
    }),
  };
}

/** Why a condition can't be expressed; undefined: it can. */
function problemOf(condition: Condition): string | undefined {
  for (const { subject, comparison } of leavesOf(condition)) {
    if (comparison.op === 'regex' && comparison.onlyRe2 !== undefined)
      return `a regular expression with ${comparison.onlyRe2}, which APISIX reads differently`;
    if (subject.kind === 'header' && /[^a-z0-9-]/.test(subject.name))
      return `header ${subject.name}: APISIX has variables only for names of letters, digits and dashes`;
  }
  return undefined;
}

function isOperator(expression: Expression): boolean {
  return expression[0] === 'AND' || expression[0] === 'OR';
}

function expressionOf(plan: Plan, condition: Condition, rule: PlannedRule): Expression {
  if (condition.kind !== 'leaf') return [condition.kind === 'all' ? 'AND' : 'OR', ...condition.of.map((one) => expressionOf(plan, one, rule))];
  return leafOf(plan, condition, rule);
}

function leafOf(plan: Plan, { subject, comparison, negated }: Leaf, rule: PlannedRule): Expression {
  const not = negated ? ['!'] : [];
  if (subject.kind === 'clientIp') return ['remote_addr', ...not, 'ipmatch', comparison.op === 'in' ? comparison.values : []];
  const variable =
    subject.kind === 'header'
      ? `http_${subject.name.replaceAll('-', '_')}`
      : subject.kind === 'cookie'
        ? `cookie_${subject.name}`
        : subject.kind === 'query'
          ? `arg_${subject.name}`
          : subject.kind === 'host'
            ? 'host'
            : subject.kind === 'method'
              ? 'request_method'
              : 'uri';
  if (subject.kind === 'cookie' || subject.kind === 'query') plan.note('values are compared as they are sent, percent-encoding included', rule);
  if (subject.kind === 'path') plan.note('paths are compared decoded', rule);
  if (comparison.op === 'present') return [variable, ...not, '~~', '^'];
  const ignoresCase = subject.kind === 'host' || subject.kind === 'method';
  if (!ignoresCase && comparison.op === 'exact') return [variable, ...not, '==', comparison.value];
  if (!ignoresCase && comparison.op === 'in') return [variable, ...not, 'in', comparison.values];
  return [variable, ...not, ignoresCase ? '~*' : '~~', searchedRegex(comparison)];
}

/** A share of all requests by four digits of the request id, different ones for each rule. */
function shareOf(percent: number, position: number): Expression {
  return ['request_id', '~~', `^[0-9a-f]{${position * 4}}(?:${hexBelow(Math.round((percent / 100) * 0x1_0000))})`];
}

/** A regular expression for four hexadecimal digits below a limit. */
export function hexBelow(limit: number): string {
  const digits = Math.min(limit, 0xffff).toString(16).padStart(4, '0');
  const parts: string[] = [];
  for (let i = 0; i < 4; i++) {
    const digit = parseInt(digits.charAt(i), 16);
    if (digit > 0) parts.push(`${digits.slice(0, i)}${below(digit)}[0-9a-f]{${3 - i}}`);
  }
  if (limit > 0xffff) parts.push('ffff');
  return parts.length === 0 ? '(?!)' : parts.join('|');
}

function below(digit: number): string {
  if (digit === 1) return '0';
  return digit <= 10 ? `[0-${digit - 1}]` : digit === 11 ? '[0-9a]' : `[0-9a-${(digit - 1).toString(16)}]`;
}

function luaOf(plan: Plan, tag: Tag | undefined): string {
  const written = tag === undefined ? [] : plan.writtenEntries.map(({ textOf }, i) => `  table.insert(kept, ${i + 1}, ${luaText(textOf(tag))})`);
  const headers = new Map(plan.writtenHeaders.map((header) => [header.name, header]));
  const set = plan.ownHeaders.map((name) => {
    const header = headers.get(name);
    return tag === undefined || header === undefined
      ? `  ngx.req.clear_header(${luaText(name)})`
      : `  ngx.req.set_header(${luaText(name)}, ${luaText(header.valueOf(tag))})`;
  });
  return `return function(conf, ctx)
  local own = ${luaSet(plan.ownEntries)}
  local kept = {}
  local lines = ngx.req.get_headers()["baggage"]
  if type(lines) == "string" then lines = { lines } end
  for _, line in ipairs(lines or {}) do
    for member in string.gmatch(line, "[^,]+") do
      local key = string.match(member, ${luaText(LUA_PLAIN_MEMBER)})
      if key and not own[key] and not ${LUA_HIDES} then kept[#kept + 1] = string.match(member, "^%s*(.-)%s*$") end
    end
  end
${[...written, ...set].join('\n')}
  if #kept > 0 then ngx.req.set_header("baggage", table.concat(kept, ",")) else ngx.req.clear_header("baggage") end
end
`;
}
