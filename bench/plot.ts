/** A bar chart as SVG, for a page or a browser: one bar a contestant, shortest words, no library. Pure. */

export interface Bar {
  readonly label: string;
  readonly value: number;
}

export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 720;
const LABEL_WIDTH = 170;
const VALUE_WIDTH = 90;
const ROW = 26;
const HEAD = 34;

export function barChart({ title, unit, bars }: Chart): string {
  const largest = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const room = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
  const rows = bars.map(({ label, value }, i) => {
    const y = HEAD + i * ROW;
    const length = ((Math.max(0, value) / largest) * room).toFixed(1);
    return [
      `<text x="${LABEL_WIDTH - 8}" y="${y + 16}" text-anchor="end">${escapeText(label)}</text>`,
      `<rect x="${LABEL_WIDTH}" y="${y + 3}" width="${length}" height="${ROW - 8}" fill="#4878a8"/>`,
      `<text x="${LABEL_WIDTH + Number(length) + 6}" y="${y + 16}">${value.toLocaleString('en-US', { maximumSignificantDigits: 4 })}</text>`,
    ].join('');
  });
  const height = HEAD + bars.length * ROW + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="8" y="20" font-weight="bold">${escapeText(`${title}, ${unit}`)}</text>`,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
