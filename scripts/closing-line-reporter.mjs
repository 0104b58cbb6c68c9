/**
 * Jest reporter: the counts of each file of tests, into the file that scripts/test.mjs names, else the closing line itself.
 */
import { writeFileSync } from 'node:fs';
import { closingLine, countsOf } from './lib/test-counts.mjs';

export default class ClosingLineReporter {
  onRunComplete(_contexts, results) {
    const counts = results.testResults.map(countsOf);
    const file = process.env.TEST_COUNTS_FILE;
    if (file) writeFileSync(file, JSON.stringify(counts));
    else process.stdout.write(closingLine(counts));
  }
}
