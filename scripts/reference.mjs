// npm run reference: writes docs/configuration.md anew, from the schemas.
import { readFileSync, writeFileSync } from 'node:fs';
import { configurationReference } from '../src/config/reference.ts';

const schema = (name) => JSON.parse(readFileSync(new URL(`../schema/${name}.schema.json`, import.meta.url), 'utf8'));
writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationReference({ gateway: schema('gateway'), agent: schema('agent') }));
