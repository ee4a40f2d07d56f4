/**
 * Translates problems that parseLaneGroups finds, and errors of the console's API: both are English because terminals, logs and scripts read them, too.
 * What Nacos or a library says stays as it is.
 */
export function problemInChinese(message: string): string {
  for (const [pattern, chinese] of PROBLEMS) {
    const match = pattern.exec(message);
    if (match !== null) return typeof chinese === 'string' ? fill(chinese, match) : chinese(...match.slice(1));
  }
  return message;
}

type Translation = readonly [pattern: RegExp, chinese: string | ((...groups: string[]) => string)];

function fill(chinese: string, match: RegExpExecArray): string {
  return chinese.replace(/\$(\d)/g, (_, group: string) => match[Number(group)] ?? '');
}

/** The first that matches counts. */
export const PROBLEMS: readonly Translation[] = [
  [/^must not be empty: no request has an empty/, '不能为空：没有这样的请求'],
  [/^must not be empty: it would match everything$/, '不能为空：否则会匹配一切'],
  [/^must not be empty$/, '不能为空'],
  [/^must have at most (\d+) characters: compare whole values by "in"$/, '最多 $1 个字符：整个值请用 "in" 比较'],
  [/^must have at most (\d+) characters$/, '最多 $1 个字符'],
  [/^must have at most (\d+) items, not (\d+)$/, '最多 $1 项，而不是 $2 项'],
  [/^(.+) is not a valid tag: must be/, (value) => `${word(value).trimStart()} 不能作为标签：只接受 1 到 64 个字母、数字和 . _ -`],
  [/^(.+) is already the lane rule of Polaris of the lane at (.+): it must be unique$/, '$1 已是 $2 处泳道的北极星泳道规则，必须唯一'],
  [/^(.+) is already the label of Polaris of the lane at (.+): it must be unique$/, '$1 已是 $2 处泳道的北极星标签，必须唯一'],
  [/^(.+) is already the (?:name|tag) of the .+: it must be unique$/, '$1 已被使用，必须唯一'],
  [/^(.+) is listed twice$/, '$1 重复'],
  [
    /^(.+) contains a control character, a line break or an unpaired surrogate:/,
    '$1 含有控制字符、换行或不成对的代理项：名称会写入日志、请求头和配置',
  ],
  [/^needs "match", "percent" or both/, '需要条件、百分比或两者：两者都没有则不起作用'],
  [/^needs "percent" beside it/, '需要同时有 "percent"：它说明百分比按什么固定'],
  [/^must be in steps of 0\.01, not (.+)$/, '最小步长为 0.01，而不是 $1'],
  [/^(.+) is not a network: must be/, '$1 不是网段：接受地址或 CIDR，例如 10.0.0.0/8'],
  [
    /^(.+) is not a valid RE2 regular expression .*?: (.+)$/s,
    (regex, why) => `${regex} 不是 RE2 正则表达式（不支持环视与反向引用）：${regexError(why)}`,
  ],
  [
    /^the rules of the entry (.+) can cost a request (\S+ ms), and (\S+ ms) is the most: of that, rule (.+) costs (\S+ ms)\./,
    '入口 $1 的规则对一个请求最多可耗时 $2，上限为 $3：其中规则 $4 耗时 $5。请缩短其正则表达式，以 ^ 开头，避免重复，或改用 "in"、"prefix"、"suffix" 比较',
  ],
  [/^is not JSON: at line (\d+), column (\d+) (.+)$/, (line, column, what) => `不是 JSON：第 ${line} 行第 ${column} 列，${jsonError(what)}`],
  [/^is not JSON/, '不是 JSON'],
  [/^lacks (.+)$/, '缺少 $1'],
  [/^is not a known field: did you mean (.+)\?$/, '未知字段：是否想写 $1？'],
  [/^is not a known field: must be one of (.+)$/, (known) => `未知字段：应为 ${list(known)} 之一`],
  [
    /^must have exactly one of (.+), not (.+): put several into "all" or "any"$/,
    (all, used) => `只能有 ${list(all)} 之一，而不是 ${list(used)}：多个条件请放入 "all" 或 "any"`,
  ],
  [/^must have exactly one operator of (.+), not (.+)$/, (all, used) => `只能有一种比较方式（${list(all)}），而不是 ${list(used)}`],
  [/^must have exactly one operator of (.+)$/, (all) => `必须有一种比较方式：${list(all)}`],
  [/^must have exactly one of (.+)$/, (all) => `必须恰好有 ${list(all)} 之一`],
  [/^is nested deeper than (\d+) levels$/, '嵌套超过 $1 层'],
  [/^must be an object with one of (.+?, clientIp), not (.+)$/, (all, value) => `必须是含有 ${list(all)} 之一的对象，而不是${word(value)}`],
  [/^must be 1, the only version there is, not (.+)$/, (value) => `必须是 1（目前唯一的版本），而不是${word(value)}`],
  [
    /^must be (a number from 0 to 100|a string|a list|an object|true or false|true|".+?" or ".+?"), not (.+)$/,
    (wanted, value) => `必须是${word(wanted)}，而不是${word(value)}`,
  ],
  [/^must be a string$/, '必须是字符串'],
  // Of the API.
  [/^(?:lane group|lane) (.+) already exists: choose another name$/, '$1 已存在：请换一个名称'],
  [/^these lane groups are not valid, and were not published: /, '这些泳道组无效，没有发布'],
  [/^the stored lane groups are not valid: /, 'Nacos 中的泳道组无效，请先修正文档'],
  [/^the (?:lane groups|lane group (.+?)|lane (.+?)) (?:have|has) changed since /, '您读取之后已有变更：请与当前内容比较'],
  [
    /^somebody else changed (.+) of the lane groups at the same time, and their change was overwritten:/,
    '其他人同时修改了泳道组的 $1，其修改已被覆盖：请查看历史',
  ],
  [/^others keep changing the lane groups/, '其他人不断修改泳道组：请重试'],
  [
    /^the server accepted the lane groups (\d+) times without storing them/,
    '服务器 $1 次接受泳道组却没有保存，因此没有发布。它可能仍在启动：请重试，并检查其日志',
  ],
  [/^there is no (lane group|lane) (.+): (.+)$/, (kind, name, remedy) => `没有${kind === 'lane' ? '泳道' : '泳道组'} ${name}：${existing(remedy)}`],
  [/^Nacos has no version (.+) of the lane groups:/, 'Nacos 中没有泳道组的版本 $1'],
  [/^version (.+) removed the lane groups, so it has no content:/, '版本 $1 移除了泳道组，因此没有内容：请选择它之前的版本'],
  [/^Nacos knows no service (.+)$/, 'Nacos 中没有服务 $1'],
  [/^sign in first:/, '请先登录'],
  [/^no account has this token:/, '没有账户使用此令牌'],
  [/^too many wrong tokens from (.+), and this one is wrong, too: try again in (\d+) s$/, '来自 $1 的错误令牌过多，这个也不对：请在 $2 秒后重试'],
  [/^(.+) is a viewer and can't change anything: ask an editor$/, '$1 是查看者，不能修改：请找编辑者'],
  [/^this request may come from another site:/, '此请求可能来自其他网站：请从控制台自己的页面发送'],
  [/^the console does not answer to this name:/, '控制台不接受此域名：请用其地址打开，或启动时用 --allowed-host 加上此域名'],
  [/^the console itself failed: its log says why$/, '控制台内部出错：原因见其日志'],
  [/^Nacos at (.+?) can't be reached (?:over gRPC )?\((.+)\): is Nacos running there\?/, '无法连接 $1 的 Nacos（$2）：它在那里运行吗？'],
  [/^Nacos at (.+) is not serving requests \((.+)\): check its log$/, '$1 的 Nacos 没有提供服务（$2）：请检查其日志'],
  [/^Nacos at (.+) requires authentication:/, '$1 的 Nacos 需要认证：请设置 LANE_NACOS_USERNAME 和 LANE_NACOS_PASSWORD'],
  [/^Nacos at (.+) refused user (.+?): check/, '$1 的 Nacos 拒绝了用户 $2：请检查 LANE_NACOS_USERNAME、LANE_NACOS_PASSWORD 和此用户的权限'],
];

const WORDS: Readonly<Record<string, string>> = {
  'a number from 0 to 100': ' 0 到 100 的数字',
  'a string': '字符串',
  'a list': '列表',
  'an object': '对象',
  'a function': '函数',
  'true or false': ' true 或 false',
  nothing: '空值',
};

/** What a message tells of a value, after a space if it is not Chinese. */
function word(english: string): string {
  return WORDS[english] ?? ` ${english.replace(/^(".+") or (".+")$/, '$1 或 $2')}`;
}

function list(english: string): string {
  return english.replaceAll(/, | and /g, '、');
}

function existing(remedy: string): string {
  if (remedy === 'there are none yet') return '目前一个也没有';
  const meant = /^did you mean (.+)\?$/.exec(remedy)?.[1];
  return meant === undefined ? `现有 ${list(remedy.replace(/^there are /, ''))}` : `是否指 ${meant}？`;
}

/** What findJsonError says. */
function jsonError(english: string): string {
  const cut = /^it ends where (.+) is expected$/.exec(english)?.[1];
  if (cut !== undefined) return `文本在此结束，但此处应为${JSON_PARTS[cut] ?? cut}`;
  const [, found, expected = ''] = /^(.+?) is found where (.+) is expected$/.exec(english) ?? [];
  if (found !== undefined) return `此处是 ${found}，但应为${JSON_PARTS[expected] ?? expected}`;
  if (english.startsWith('it ends within a text')) return '文本在字符串中结束：缺少右双引号';
  if (english.startsWith('a text goes over')) return '字符串跨行或含有控制字符：应写作 \\n、\\t 或 \\u00..';
  if (english.startsWith('a backslash is followed'))
    return '反斜杠之后不是转义：应为 \\\\、\\"、\\/、\\b、\\f、\\n、\\r、\\t，或 \\u 和四位十六进制数字';
  return english;
}

const JSON_PARTS: Readonly<Record<string, string>> = {
  'a value': '值',
  'a value (the comma before it is one too many if the list ends here)': '值（若列表到此为止，前面的逗号多余）',
  'a value or ]': '值或 ]',
  'a field name in double quotes, or }': '双引号中的字段名或 }',
  'a field name in double quotes (the comma before it is one too many if the object ends here)': '双引号中的字段名（若对象到此为止，前面的逗号多余）',
  'a colon': '冒号',
  'a comma or }': '逗号或 }',
  'a comma or ]': '逗号或 ]',
  'nothing more': '结尾',
};

/** What re2js says: the kind of error, and where it is. */
function regexError(english: string): string {
  const text = english.replace('error parsing regexp: ', '');
  for (const [kind, chinese] of REGEX_ERRORS) if (text.startsWith(kind)) return `${chinese}${text.slice(kind.length)}`;
  return text;
}

const REGEX_ERRORS: ReadonlyArray<readonly [english: string, chinese: string]> = [
  ['invalid character class range', '无效的字符类范围'],
  ['invalid escape sequence', '无效的转义'],
  ['invalid named capture', '无效的命名分组'],
  ['invalid or unsupported Perl syntax', '无效或不支持的 Perl 语法'],
  ['invalid nested repetition operator', '无效的嵌套重复'],
  ['invalid repeat count', '无效的重复次数'],
  ['missing closing ]', '缺少 ]'],
  ['missing closing )', '缺少 )'],
  ['missing argument to repetition operator', '重复符号之前缺少内容'],
  ['trailing backslash at end of expression', '末尾有多余的反斜杠'],
  ['duplicate capture group name', '分组名称重复'],
  ['unexpected )', '多余的 )'],
  ['expression nests too deeply', '嵌套过深'],
  ['expression too large', '表达式过大'],
];
