/** Lines and sentences that are nothing but an option, by rule 6, and lists that judge option by option, by rule 5. */
import { type Choices, NOUN_LABEL } from '../choices.js';
import { denies } from '../cues.js';
import { AGAINST, lettersIn } from '../leaning.js';
import { LAST_WORDS } from '../screen.js';
import { terseVerdicts, verdictsIn } from '../verdicts.js';
import { agreed, type Candidate } from './candidate.js';

export function listIn(plain: string, choices: Choices): Candidate | undefined {
  const judged = verdictsIn(plain, choices);
  const right = new Set(
    (judged.length > 0 ? judged : terseVerdicts(plain, choices)).flatMap((verdict) =>
      verdict.right ? [verdict.index] : [],
    ),
  );
  if (right.size === 0) return undefined;
  return { at: 0, index: agreed([...right]), stated: 'list' };
}

/**
 * A last or first line that is only `C`, `(C)`, `C: The blanket` or an option's text; what follows the last full stops, if
 * it is that; or the one line of the text that is only an option's letter, perhaps with its text.
 */
export function bareLine(plain: string, choices: Choices): Candidate | undefined {
  const lines = [...plain.matchAll(/[^\n]*\S[^\n]*/g)];
  const line = (at: number, beside: number) => {
    const [one, other] = [lines.at(at), lines.at(beside)];
    // An option among options that are repeated is no answer.
    if (!one || (lines.length > 1 && other && isOther(one[0], other[0], choices))) return undefined;
    return { at: one.index as number, text: one[0] };
  };
  const found = [line(-1, -2), ...lastSentences(plain, choices), line(0, 1)];
  for (const each of found) {
    const index = each && (choices.whole(each.text) ?? choices.whole(each.text.replace(LAST, '')));
    if (index !== undefined) return { at: each!.at + each!.text.length, index, stated: 'line' };
  }
  const asks = /[?？]\W*$/.test(plain);
  const only = lines.length === 1 && !asks ? choices.paraphrased(plain.trim()) : undefined;
  if (only !== undefined) return { at: plain.length, index: only, stated: 'line' };
  const lead = leadingLabel(plain, choices);
  if (lead !== undefined)
    return { at: plain.indexOf('\n') < 0 ? plain.length : plain.indexOf('\n'), index: lead, stated: 'line' };
  const labelled = lines.flatMap((each) => {
    const index = isLabelled(each[0]) ? choices.whole(each[0]) : undefined;
    return index === undefined ? [] : [{ at: (each.index as number) + each[0].length, index }];
  });
  const [first] = labelled;
  if (!first || labelled.some(({ index }) => index !== first.index)) return undefined;
  return { ...first, stated: 'line' };
}

/** "C then.", "C, I think." */
const LAST = new RegExp(`,?\\s+(?:${LAST_WORDS})\\W*$`, 'i');

/**
 * The letter that opens a reply and labels what is no option's text: "C - The girl searches under the table." No other
 * letter stands in the reply, nothing in its first line denies, and no other option is quoted there.
 */
function leadingLabel(plain: string, choices: Choices): number | undefined {
  const [whole, letter] =
    /^\s*(?:[Oo]ption\s+|[Cc]hoice\s+|选项|選項)?[([]?([A-Z])[)\]]?(?:\.\s+(?=\p{Lu})|[:)]\s+(?=\p{L})|[:。]\s*(?=\p{Lo})|\s+[–—-]\s+(?=\p{L}))/u.exec(
      plain,
    ) ?? [];
  if (whole === undefined) return undefined;
  const index = choices.ofLetter(letter as string);
  const rest = plain.slice(whole.length);
  const line = rest.split('\n', 1)[0] as string;
  const other = lettersIn(rest, choices).some((found) => found.index !== index);
  if (index === undefined || other || denies(line) || AGAINST.test(line) || /[?？]\s*$/.test(line))
    return undefined;
  // "A: sin x = 0.8" where 0.8 is another option.
  const said = choices.endingAt(line);
  return choices.textAt(rest) === undefined && (said === undefined || said === index) ? index : undefined;
}

/** Whether both lines are options with their letters, and not the same. */
function isOther(line: string, other: string, choices: Choices): boolean {
  if (!isLabelled(line) || !isLabelled(other)) return false;
  const [one, two] = [choices.whole(line), choices.whole(other)];
  return one !== undefined && two !== undefined && one !== two;
}

const isLabelled = (line: string) => LABEL.test(line.trim()) || NOUN_LABEL.test(line);

const LABEL = /^[([⟦]*[A-Z][)\]⟧]*(?:\.|$|\s*[.:),–—-])/;

/** The ends of the last line that open with a letter behind a full stop: "She kneels. C. tie the shoe." */
function lastSentences(plain: string, choices: Choices): { at: number; text: string }[] {
  const text = plain.trimEnd();
  const from = text.lastIndexOf('\n') + 1;
  const starts = [...text.slice(from).matchAll(/(?:[^.!?。！？।\s][)\]]?[.!?。！？।]|⟧)\s*(?=[([⟦]*[A-Z])/g)];
  return starts.slice(-3).flatMap((start) => {
    const at = from + start.index + start[0].length;
    const tail = text.slice(at);
    // "The options are A. B. C."
    const listed = /(?<![\p{L}\p{N}])[A-Z]\.\s*$/u.test(text.slice(0, at));
    return listed || !LABEL.test(tail) || choices.whole(tail) === undefined ? [] : [{ at, text: tail }];
  });
}
