/** Trains a student on the built-in world, then asks it about a clip that it has not seen. */
import { ask, loadRun, makeShapes, readAnnotations, resolveConfig, selectEngine, train } from 'reasvqa';

console.log((await selectEngine('auto')).description);
await makeShapes({ out: 'world', seed: 'example', train: 40, val: 10, test: 0 });
const data = ['videos=world/videos', 'train=world/train.csv', 'val=world/val.csv', 'reasoning=null'];
const overrides = [...data.map((key) => `data.${key}`), 'train.beta=0', 'train.epochs=1'];
const { config } = await resolveConfig({ recipe: 'bench/shapes/base.yaml', overrides });
const { score } = await train({ config, folder: 'runs/example' });
console.log(`${score.total.correct} of ${score.total.count} validation questions answered right`);

const student = await loadRun('runs/example');
const { samples } = await readAnnotations({ dataset: 'shapes', file: 'world/val.csv' });
const { video, question, options } = samples[0];
const answer = await ask(student, { video: `world/videos/${video}.webp`, question, options, reason: true });
console.log(`${question}? ${answer.text}. ${answer.reasoning}`);
student.dispose();
