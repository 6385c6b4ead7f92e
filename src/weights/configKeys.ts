/** Keys of config.json as the parsers of architectures check them. */
import { z } from 'zod';
import { quote } from './header.js';

/** null means "not set" in these files, as absence does. */
export function setting<T extends z.ZodType>(schema: T, fallback: z.output<T>) {
  return schema.nullish().transform((value): z.output<T> => (value ?? fallback) as z.output<T>);
}

/** A setting with one value that is computed here. */
export const only = <T extends string | boolean | number>(value: T, why: string) =>
  setting(
    z.literal(value, { error: ({ input }) => `is ${quote(input)}, expected ${quote(value)}: ${why}` }),
    value,
  );
