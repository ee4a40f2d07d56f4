/** Draws figures over time, a panel for each; axes start at 0, so that flat looks flat. */

const WIDTH = 720;
const PANEL = { height: 110, left: 120, right: 70, top: 14 };

/**
 * An SVG with a line for each name.
 *
 * @param {{ minute: number, figures: Record<string, number> }[]} looks in chronological order
 * @param {string[]} names
 */
export function drawLines(looks, names) {
  const last = looks.at(-1)?.minute ?? 1;
  const x = (minute) => PANEL.left + (minute / last) * (WIDTH - PANEL.left - PANEL.right);
  const panels = names.map((name, at) => {
    const values = looks.map(({ figures }) => figures[name]);
    const most = Math.max(...values, 1e-9);
    const bottom = (at + 1) * PANEL.height - 12;
    const y = (value) => bottom - (value / (most * 1.15)) * (PANEL.height - PANEL.top - 12);
    const points = looks.map(({ minute }, i) => `${x(minute).toFixed(1)},${y(values[i]).toFixed(1)}`).join(' ');
    const unit = name === 'heap' || name === 'rss' ? ', MiB' : '';
    return [
      `<text x="8" y="${bottom - 30}">${name}${unit}</text>`,
      `<line x1="${PANEL.left}" y1="${bottom}" x2="${WIDTH - PANEL.right}" y2="${bottom}" stroke="#999"/>`,
      `<polyline points="${points}" fill="none" stroke="#1565c0" stroke-width="1.5"/>`,
      `<text x="${WIDTH - PANEL.right + 6}" y="${y(values.at(-1)).toFixed(1)}">${values.at(-1).toFixed(unit === '' ? 0 : 1)}</text>`,
    ].join('\n');
  });
  const height = names.length * PANEL.height + 24;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" fill="#333">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
${panels.join('\n')}
<text x="${PANEL.left}" y="${height - 8}">0</text>
<text x="${WIDTH - PANEL.right}" y="${height - 8}" text-anchor="end">${last.toFixed(0)} minutes</text>
</svg>
`;
}
