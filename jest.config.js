// Tests run compiled (facts: TypeScript 7 has no JavaScript compiler API, so nothing transforms on the fly).
export default {
  transform: {},
  testEnvironment: 'node',
  testMatch: ['<rootDir>/dist/**/*.test.js'],
  modulePathIgnorePatterns: ['<rootDir>/build/'],
  maxWorkers: 2,
  testTimeout: 60_000,
  reporters: ['default', '<rootDir>/scripts/closing-line-reporter.mjs'],
};
