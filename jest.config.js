// Tests run compiled (facts: TypeScript 7 has no JavaScript compiler API, so nothing transforms on the fly).
// `servers` start real servers and run one file at a time (scripts/test.mjs); all others are `unit`.
const SERVER_TESTS = ['integration', 'conformance', 'e2e'].map((folder) => `<rootDir>/dist/test/${folder}/`);

const common = {
  transform: {},
  testEnvironment: 'node',
  modulePathIgnorePatterns: ['<rootDir>/build/'],
};

export default {
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/dist/**/*.test.js', '<rootDir>/scripts/**/*.test.mjs'], testPathIgnorePatterns: SERVER_TESTS },
    { ...common, displayName: 'servers', testMatch: SERVER_TESTS.map((folder) => `${folder}**/*.test.js`) },
  ],
  maxWorkers: 2,
  testTimeout: 60_000,
  reporters: ['default', '<rootDir>/scripts/closing-line-reporter.mjs'],
};
