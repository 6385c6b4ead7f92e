/**
 * The leak check's control: every question gets the text about another question of its kind, from another video where
 * there is one. A reader that recovers answers from such texts reads the question, or what all texts have in common.
 */
import { groupBy } from '../../base/groups.js';
import { Rng } from '../../base/random.js';

interface Row {
  id: string;
  video: string;
  kind: string;
  options: readonly string[];
}

/**
 * The id whose text each row gets; each text is given once, and none to its own row unless it is the only one. Rows of a
 * kind have as many options as each other; kinds with one row are put together.
 */
export function otherTexts(rows: readonly Row[], seed: string): Map<string, string> {
  const kinds = [...groupBy(rows, ({ kind, options }) => `${options.length} ${kind}`).values()];
  const alone = kinds.filter(({ length }) => length === 1).flat();
  const groups = kinds.filter(({ length }) => length > 1);
  // A last single row joins another kind: it has no other partner.
  if (alone.length === 1 && groups[0]) groups[0] = [...groups[0], ...alone];
  else groups.push(alone);
  const rng = new Rng(`leak/others/${seed}`);
  const found = new Map<string, string>();
  for (const group of groups) {
    // Rows of one video stand together, so a step past the longest row of them leads to another video.
    const videos = rng.shuffle([...groupBy(rng.shuffle([...group]), ({ video }) => video).values()]);
    const order = videos.flat();
    const step = Math.min(Math.max(...videos.map(({ length }) => length)), order.length - 1);
    order.forEach(({ id }, i) => {
      found.set(id, order[(i + step) % order.length]!.id);
    });
  }
  return found;
}
