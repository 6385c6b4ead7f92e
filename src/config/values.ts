/** Values that many keys of a recipe take. */
import { z } from 'zod';

export const text = () => z.string().min(1);
export const count = () => z.int().min(1);
export const positive = () => z.number().gt(0);
export const probability = () => z.number().min(0).lt(1);
