/** Which functions a module exports, and their local names. */

/** A declared function can be reassigned, and importers see the new value. */
const FUNCTION = /^[ \t]*(export[ \t]+(default[ \t]+)?)?(?:async[ \t]+)?function\b[ \t]*\*?[ \t]*([A-Za-z_$][\w$]*)/gm;
/** A list of the module's own exports. */
const LIST = /^[ \t]*export[ \t]*\{([^{}]*)\}(?!\s*from\b)/gm;
const LISTED = /^\s*([A-Za-z_$][\w$]*)(?:\s+as\s+([A-Za-z_$][\w$]*))?\s*$/;

/** Names of exported functions, with their local names. A match in a comment does no harm, because nothing exports it. */
export function functionsOf(source: string): Array<readonly [name: string, local: string]> {
  const found = new Map<string, string>();
  const declared = new Set<string>();
  for (const [, isExported, isDefault, local] of source.matchAll(FUNCTION)) {
    if (local === undefined || !isAssignable(local)) continue;
    declared.add(local);
    if (isExported !== undefined) found.set(isDefault === undefined ? local : 'default', local);
  }
  for (const [, list = ''] of source.matchAll(LIST)) {
    for (const entry of list.split(',')) {
      const [, local, name = local] = LISTED.exec(entry) ?? [];
      if (local !== undefined && name !== undefined && declared.has(local)) found.set(name, local);
    }
  }
  return [...found];
}

/** Words that can't be assigned to in a module (ECMA-262, 12.7.2, with those of strict code): one would stop the file from loading. */
const RESERVED =
  /^(?:arguments|await|break|case|catch|class|const|continue|debugger|default|delete|do|else|enum|eval|export|extends|false|finally|for|function|if|implements|import|in|instanceof|interface|let|new|null|package|private|protected|public|return|static|super|switch|this|throw|true|try|typeof|var|void|while|with|yield)$/;

function isAssignable(name: string): boolean {
  return !RESERVED.test(name);
}
