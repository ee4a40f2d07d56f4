import { createRequire } from 'node:module';

// Vite bundles what a configuration imports, and can't do that with it.
const { anchorOf } = createRequire(import.meta.url)('../documents.cjs');

/** Items of a sidebar: `[text, link]`. */
const items = (prefix, ...entries) => entries.map(([text, link]) => ({ text, link: `${prefix}${link}` }));

/**
 * Words for the index of the search. Chinese has no spaces: each pair of characters is a word, and each character.
 * It is sent to the browser as text, and may use nothing from outside of itself.
 */
function tokenize(text) {
  const words = [];
  for (const word of text.toLowerCase().split(/[^\p{L}\p{M}\p{N}_]+/u)) {
    for (const part of word.match(/\p{Script=Han}+|[^\p{Script=Han}]+/gu) ?? []) {
      if (!/\p{Script=Han}/u.test(part)) words.push(part);
      else for (let at = 0; at < part.length; at++) words.push(part.slice(at, at + 1), ...(at + 1 < part.length ? [part.slice(at, at + 2)] : []));
    }
  }
  return words;
}

const english = [
  {
    text: 'Start',
    items: items('/', ['Your own app', 'start'], ['The demo', 'demo'], ['Concepts', 'concepts'], ['Questions', 'faq']),
  },
  {
    text: 'Guides',
    items: items(
      '/guides/',
      ['Lane groups and console', 'lane-groups'],
      ['The entry', 'entry'],
      ['Calls by service name', 'calls-by-name'],
      ['Nacos', 'nacos'],
      ['Kubernetes', 'kubernetes'],
      ['Without Kubernetes', 'without-kubernetes'],
      ['Containers and PM2', 'containers-and-pm2'],
      ['Messages', 'messages'],
      ['Other languages', 'other-languages'],
      ['OpenTelemetry', 'opentelemetry'],
      ['Monitoring', 'monitoring'],
      ['Registry outages', 'registry-outages'],
      ['Rolling out and back', 'rolling-out'],
      ['Starting and stopping', 'lossless'],
      ['Instances that fail', 'outliers'],
      ['Near instances first', 'near-first'],
      ['Local development', 'local-development'],
    ),
  },
  {
    text: 'Reference',
    items: items(
      '/reference/',
      ['Options', 'options'],
      ['Commands', 'cli'],
      ['Lane groups', 'lane-groups'],
      ['Formats on the wire', 'formats'],
      ['Error codes', 'errors'],
      ['Events in the log', 'events'],
      ['Console API', 'console-api'],
      ['Metrics', 'metrics'],
      ['Figures', 'figures'],
    ),
  },
  {
    text: 'Production',
    items: items(
      '/',
      ['Checklist', 'production-checklist'],
      ['Troubleshooting', 'troubleshooting'],
      ['Compatibility', 'compatibility'],
      ['Performance', 'performance'],
      ['Security', 'security'],
      ['Comparison', 'comparison'],
    ),
  },
  {
    text: 'Packages',
    collapsed: true,
    items: items(
      '/packages/',
      ...[
        'agent',
        'cli',
        'gateway',
        'console',
        'kubernetes',
        'kubernetes-registry',
        'express-plugin',
        'traces',
        'nacos-registry',
        'embedded-nacos',
        'storage',
        'core',
      ].map((name) => [name, name]),
    ),
  },
  {
    text: 'Project',
    collapsed: true,
    items: items('/', ['Architecture', 'architecture'], ['Contributing', 'contributing'], ['Changes', 'changelog']),
  },
];

const chinese = [
  {
    text: '开始',
    items: items('/zh/', ['简介', 'readme'], ['十分钟接入自己的应用', 'start'], ['核心概念', 'concepts'], ['常见问题', 'faq']),
  },
  {
    text: '指南',
    items: items(
      '/zh/',
      ['泳道组与控制台', 'lane-groups'],
      ['入口', 'entry'],
      ['按服务名调用', 'calls-by-name'],
      ['Nacos', 'nacos'],
      ['Kubernetes', 'kubernetes'],
      ['不用 Kubernetes', 'without-kubernetes'],
      ['容器与 PM2', 'containers-and-pm2'],
      ['消息', 'messages'],
      ['Java 和其他语言', 'other-languages'],
      ['OpenTelemetry', 'opentelemetry'],
      ['监控', 'monitoring'],
      ['注册中心故障', 'registry-outages'],
      ['无损上下线', 'lossless'],
      ['上线与回滚', 'rolling-out'],
      ['故障实例摘除', 'outliers'],
      ['就近优先', 'near-first'],
      ['本地开发', 'local-development'],
    ),
  },
  {
    text: '参考与生产',
    items: items(
      '/zh/',
      ['常用选项', 'options'],
      ['兼容性', 'compatibility'],
      ['上线前检查清单', 'production-checklist'],
      ['排查', 'troubleshooting'],
      ['和其他方案比', 'comparison'],
    ),
  },
  ...english.map((section) => ({ ...section, text: `${section.text}（英文）`, collapsed: true })),
];

export default {
  srcDir: '.pages',
  title: 'Lane',
  description: 'End-to-end canary release (traffic lanes) for Node.js',
  cleanUrls: true,
  metaChunk: true,
  ignoreDeadLinks: false,
  // Anchors are those of GitHub, so that a link holds in both.
  markdown: { anchor: { slugify: anchorOf }, toc: { slugify: anchorOf } },
  locales: {
    root: {
      label: 'English',
      lang: 'en',
      themeConfig: {
        nav: items('/', ['Start', 'start'], ['Concepts', 'concepts'], ['Options', 'reference/options'], ['Troubleshooting', 'troubleshooting']),
        sidebar: english,
      },
    },
    zh: {
      label: '简体中文',
      lang: 'zh-CN',
      description: 'Node.js 全链路灰度（流量泳道）',
      themeConfig: {
        nav: items('/zh/', ['开始', 'start'], ['概念', 'concepts'], ['排查', 'troubleshooting']),
        sidebar: chinese,
        outline: { label: '本页目录' },
        docFooter: { prev: '上一页', next: '下一页' },
        darkModeSwitchLabel: '外观',
        sidebarMenuLabel: '目录',
        returnToTopLabel: '回到顶部',
      },
    },
  },
  themeConfig: {
    outline: [2, 3],
    search: {
      provider: 'local',
      options: {
        miniSearch: { options: { tokenize } },
        locales: {
          zh: {
            translations: {
              button: { buttonText: '搜索', buttonAriaLabel: '搜索' },
              modal: { noResultsText: '没有找到', resetButtonTitle: '清除', footer: { selectText: '选择', navigateText: '切换', closeText: '关闭' } },
            },
          },
        },
      },
    },
  },
};
