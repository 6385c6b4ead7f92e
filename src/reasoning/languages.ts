import { EASTERN } from './languages/eastern.js';
import { ENGLISH } from './languages/english.js';
import type { Language } from './languages/language.js';
import { WESTERN } from './languages/western.js';

/** The languages in which an answer is read; another one is a table more. */
export const LANGUAGES: readonly Language[] = [ENGLISH, ...WESTERN, ...EASTERN];
