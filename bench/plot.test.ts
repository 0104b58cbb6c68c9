import { describe, expect, it } from '@jest/globals';
import { barChart } from './plot.js';

function widths(svg: string): readonly number[] {
  return [...svg.matchAll(/width="([\d.]+)" height="18"/g)].map(([, width]) => Number(width));
}

describe('a bar chart', () => {
  it('has bars in proportion', () => {
    const [a = 0, b = 0, none] = widths(barChart({ title: 'CPU', unit: 'µs', bars: [{ label: 'a', value: 300 }, { label: 'b', value: 100 }, { label: 'c', value: 0 }] }));
    expect(a / b).toBeCloseTo(3, 1);
    expect(none).toBe(0);
  });

  it('says each value, and what it is', () => {
    const svg = barChart({ title: 'Scrapes', unit: '1/s', bars: [{ label: 'plain', value: 7727.4 }] });
    expect(svg).toContain('>plain<');
    expect(svg).toContain('>7,727<');
    expect(svg).toContain('Scrapes, 1/s');
  });

  it('takes no markup from a label', () => {
    expect(barChart({ title: '<b>', unit: '&', bars: [] })).toContain('&lt;b&gt;, &amp;');
  });

  it('is drawn of no figures too', () => {
    expect(barChart({ title: 'x', unit: 'y', bars: [{ label: 'a', value: 0 }] })).not.toContain('NaN');
  });
});
