// Writes weights/shapes/tokenizer.json and tokenizer_config.json from src/shapes/vocabulary.ts.
// Needed only after a word was added there: npm run setup && node tools/shapes-tokenizer.mjs
import { mkdirSync, writeFileSync } from 'node:fs';
import { shapesTokenizerFiles } from '../dist/shapes/vocabulary.js';

const folder = new URL('../weights/shapes/', import.meta.url);
const { tokenizer, config } = shapesTokenizerFiles();
mkdirSync(folder, { recursive: true });
writeFileSync(new URL('tokenizer.json', folder), tokenizer);
writeFileSync(new URL('tokenizer_config.json', folder), config);
