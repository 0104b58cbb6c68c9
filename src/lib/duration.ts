/** Durations as Prometheus writes them. */

const DURATION = /^(?=.)(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;
const UNITS_MS = [31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1000, 1];

/** Milliseconds of a duration in Prometheus's notation: `1m30s`, `500ms`. */
export function parseDuration(text: string): number | undefined {
  const parts = DURATION.exec(text)?.slice(1);
  const sum = parts?.reduce((ms, part, index) => ms + Number(part ?? 0) * (UNITS_MS[index] ?? 0), 0);
  return sum !== undefined && Number.isSafeInteger(sum) ? sum : undefined;
}

/** `90000` → `1m30s`. */
export function formatDuration(ms: number): string {
  const names = ['y', 'w', 'd', 'h', 'm', 's', 'ms'];
  let rest = ms;
  const parts = UNITS_MS.map((unit, index) => {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    return count === 0 ? '' : `${count}${names[index] ?? ''}`;
  });
  return parts.join('') || '0s';
}
