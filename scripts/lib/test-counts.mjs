/**
 * What the tests came to, file by file, and the closing line that is true of it. Pure.
 *
 * A file of tests that failed gets one second try, alone: real servers on a machine that somebody else loads miss a deadline now and then.
 * What passed only then is named, so that a test which needs it often is seen and mended.
 */

/** More files than this have not failed by chance. */
const SECOND_TRY_MAX_FILES = 4;

/** Of one file's result as jest gives it: `{ path, passed, failed, skipped }`. */
export function countsOf({ testFilePath, numPassingTests, numFailingTests, numPendingTests, numTodoTests, testExecError }) {
  // A file that could not be loaded ran no test, yet something failed: count it, or the line would lie.
  const failed = numFailingTests + (testExecError && numFailingTests === 0 ? 1 : 0);
  return { path: testFilePath, passed: numPassingTests, failed, skipped: numPendingTests + numTodoTests };
}

/** Paths of the files that get a second try: none where too much failed for it to be chance. */
export function secondTry(counts) {
  const paths = counts.filter(({ failed }) => failed > 0).map(({ path }) => path);
  return paths.length <= SECOND_TRY_MAX_FILES ? paths : [];
}

/** The second try's counts in the place of the first's; each file that failed first says so (`tries`). */
export function withSecondTry(counts, second) {
  const again = new Map(second.map((each) => [each.path, { ...each, tries: 2 }]));
  const known = new Set(counts.map(({ path }) => path));
  return [...counts.map((each) => again.get(each.path) ?? each), ...second.filter(({ path }) => !known.has(path))];
}

export function closingLine(counts) {
  const sum = (key) => counts.reduce((total, each) => total + each[key], 0);
  const late = counts.filter(({ tries, failed }) => tries === 2 && failed === 0).map(({ path }) => path.replace(/^.*\/dist\//, ''));
  const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')];
  const named = late.length > 0 ? `\npassed at the second try only: ${late.join(', ')}\n` : '';
  return `${named}\n${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}\n`;
}
