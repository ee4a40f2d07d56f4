/** The Lua code that removes a client's own lane and merges the tag into its baggage, for gateways that run Lua. */
import { LUA_HIDES, LUA_PLAIN_MEMBER } from './client-baggage.js';
import type { Plan } from './plan.js';

/** A string in Lua 5.1: everything but printable ASCII as UTF-8 bytes. */
export function luaText(text: string): string {
  let written = '';
  for (const byte of new TextEncoder().encode(text)) {
    const character = String.fromCharCode(byte);
    written +=
      character === '"' || character === '\\' ? `\\${character}` : byte >= 0x20 && byte < 0x7f ? character : `\\${String(byte).padStart(3, '0')}`;
  }
  return `"${written}"`;
}

/** A table with these keys. */
export function luaSet(texts: readonly string[]): string {
  return `{ ${texts.map((text) => `[${luaText(text)}] = true`).join(', ')} }`;
}

/** For Envoy: `lane` expressed as Lua, such as the route's metadata; `nil` for a request without one. */
export function envoyLua(plan: Plan, lane: string): string {
  return `local own_entries = ${luaSet(plan.ownEntries)}
local own_headers = { ${plan.ownHeaders.map(luaText).join(', ')} }
function envoy_on_request(handle)
  local headers = handle:headers()
  local kept = {}
  for i = 0, headers:getNumValues("baggage") - 1 do
    for member in string.gmatch(headers:getAtIndex("baggage", i), "[^,]+") do
      local key = string.match(member, ${luaText(LUA_PLAIN_MEMBER)})
      if key and not own_entries[key] and not ${LUA_HIDES} then
        kept[#kept + 1] = string.match(member, "^%s*(.-)%s*$")
      end
    end
  end
  headers:remove("baggage")
  for _, name in ipairs(own_headers) do headers:remove(name) end
  local lane = ${lane}
  if lane then
${plan.writtenEntries.map(({ pieces }, i) => `    table.insert(kept, ${i + 1}, ${pieces.map(luaText).join(' .. lane .. ')})`).join('\n')}
  end
  if #kept > 0 then headers:add("baggage", table.concat(kept, ",")) end
end
`;
}
