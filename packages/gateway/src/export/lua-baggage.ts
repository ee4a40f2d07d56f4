/** The code in Lua that takes a client's own lane away and merges the tag into its baggage, for gateways that run Lua. */
import type { Plan } from './plan.js';

/** For Envoy: `lane` expressed as Lua, such as the route's metadata; `nil` for a request without one. */
export function envoyLua(plan: Plan, lane: string): string {
  const list = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(', ');
  return `local own_entries = { ${plan.ownEntries.map((key) => `[${JSON.stringify(key)}] = true`).join(', ')} }
local own_headers = { ${list(plan.ownHeaders)} }
function envoy_on_request(handle)
  local headers = handle:headers()
  local kept = {}
  for i = 0, headers:getNumValues("baggage") - 1 do
    for member in string.gmatch(headers:getAtIndex("baggage", i), "[^,]+") do
      local key = string.match(member, "^%s*([^=%s]*)%s*=")
      if string.find(member, "%S") and not (key and own_entries[key]) then
        kept[#kept + 1] = string.match(member, "^%s*(.-)%s*$")
      end
    end
  end
  headers:remove("baggage")
  for _, name in ipairs(own_headers) do headers:remove(name) end
  local lane = ${lane}
  if lane then
${plan.writtenEntries.map((key) => `    kept[#kept + 1] = "${key}=" .. lane`).join('\n')}
  end
  if #kept > 0 then headers:add("baggage", table.concat(kept, ",")) end
end
`;
}
