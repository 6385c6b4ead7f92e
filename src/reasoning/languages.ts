/** The languages in which an answer is read, one table each. */
import { EASTERN } from './languages/eastern.js';
import { ENGLISH } from './languages/english.js';
import type { Language } from './languages/language.js';
import { WESTERN } from './languages/western.js';

export const LANGUAGES: readonly Language[] = [ENGLISH, ...WESTERN, ...EASTERN];
