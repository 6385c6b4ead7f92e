/** Options that differ in nothing but a letter, "Box A" and "Box B": there an A is a label, where elsewhere it is an article. */
import { Choices } from '../choices.js';

/** Stands for a label A. A Greek letter of the same width: no article, and no place in a text moves. */
const LABEL = 'Α';
const CAPITAL_A = /(?<![\p{L}\p{N}'’])A(?![\p{L}\p{N}'’])/gu;
const CAPITAL = /(?<![\p{L}\p{N}'’])[B-Z](?![\p{L}\p{N}'’])/gu;

interface Labels {
  choices: Choices;
  /** The words beside the label in the options: "box", "is". */
  beside: RegExp;
}

const KNOWN = new WeakMap<Choices, Labels | null>();

/** A text and its options, with every label A written so that it is not taken for an article. */
export function labelled(plain: string, choices: Choices): { plain: string; choices: Choices } {
  const labels = labelsOf(choices);
  if (!labels) return { plain, choices };
  return { plain: plain.replace(labels.beside, LABEL), choices: labels.choices };
}

function labelsOf(choices: Choices): Labels | undefined {
  const known = KNOWN.get(choices);
  if (known !== undefined) return known ?? undefined;
  const made = madeOf(choices);
  KNOWN.set(choices, made ?? null);
  return made;
}

function madeOf(choices: Choices): Labels | undefined {
  const { options } = choices;
  const forms = new Set(
    options.flatMap((option) => {
      const form = option.replace(CAPITAL, LABEL);
      return form === option ? [] : [form];
    }),
  );
  const own = options.map((option) => {
    const written = option.replace(CAPITAL_A, LABEL);
    return forms.has(written) && written !== LABEL ? written : option;
  });
  const changed = own.filter((option, i) => option !== options[i]);
  if (changed.length === 0) return undefined;
  const words = (form: RegExp) => [...new Set(changed.flatMap((option) => form.exec(option)?.[1] ?? []))];
  const before = words(new RegExp(`(\\p{L}+) ${LABEL}`, 'u'));
  const behind = words(new RegExp(`${LABEL} (\\p{L}+)`, 'u'));
  const sides = [
    ...(before.length > 0 ? [`(?<=(?<!\\p{L})(?:${before.join('|')}) )A(?![\\p{L}\\p{N}'’])`] : []),
    ...(behind.length > 0 ? [`(?<![\\p{L}\\p{N}'’])A(?= (?:${behind.join('|')})(?!\\p{L}))`] : []),
  ];
  return { choices: new Choices(own), beside: new RegExp(sides.join('|'), 'giu') };
}
