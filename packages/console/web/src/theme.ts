/** Mantine's theme, with more contrast (WCAG AA) where its colours are too faint. */
import { createTheme, Select, type CSSVariablesResolver, type MantineColorsTuple, type SelectProps } from '@mantine/core';

const lane: MantineColorsTuple = ['#eef0ff', '#dde1ff', '#b9c0fb', '#929cf6', '#717df1', '#5c69ec', '#4f5ce6', '#3b49df', '#313ec2', '#2531a0'];

/** Width of the longest label in characters; Chinese ones count twice. */
function widthOf(data: SelectProps['data']): number {
  const labels = (data ?? []).flatMap((one) => (typeof one === 'string' ? one : 'label' in one ? one.label : []));
  return Math.max(0, ...labels.map((label) => [...label].reduce((sum, character) => sum + (character > '\u2e7f' ? 2 : 1), 0)));
}

export const theme = createTheme({
  primaryColor: 'lane',
  primaryShade: { light: 7, dark: 6 },
  autoContrast: true,
  luminanceThreshold: 0.35,
  colors: { lane },
  defaultRadius: 'md',
  fontFamily: 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Microsoft YaHei", "WenQuanYi Zen Hei", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  headings: {
    fontWeight: '650',
    sizes: {
      h1: { fontSize: '1.7rem', lineHeight: '1.25' },
      h2: { fontSize: '1.15rem', lineHeight: '1.4' },
      h3: { fontSize: '1rem', lineHeight: '1.4' },
    },
  },
  respectReducedMotion: true,
  cursorType: 'pointer',
  components: {
    // As wide as their longest choice, so that the chosen one is never cut.
    Select: Select.extend({ styles: (_theme, { data }) => ({ root: { minWidth: `min(100%, calc(${widthOf(data)}ch + 4.5rem))` } }) }),
    // Mantine's scroll lock inserts styles that the content security policy forbids.
    Modal: { defaultProps: { lockScroll: false, centered: true, radius: 'lg' } },
    Drawer: { defaultProps: { lockScroll: false } },
    Paper: { defaultProps: { radius: 'lg' } },
  },
});

export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#f6f7fb',
    '--mantine-color-dimmed': '#566072',
    '--mantine-color-placeholder': '#6b7486',
    '--mantine-color-error': '#c1232b',
    '--mantine-color-anchor': '#3442c8',
  },
  dark: {
    '--mantine-color-body': '#12141c',
    '--mantine-color-dimmed': '#a4adbd',
    '--mantine-color-placeholder': '#99a2b3',
    '--mantine-color-error': '#ff9a9a',
    '--mantine-color-anchor': '#aab4ff',
  },
});
