/** The datasets: one file each in this folder, one line each here, in the order in which messages list them. */
import { registerDataset } from './dataset.js';
import { intentqa } from './intentqa.js';
import { jsonl } from './jsonl.js';
import { nextqa } from './nextqa.js';
import { shapes } from './shapes.js';
import { star } from './star.js';

registerDataset(nextqa);
registerDataset(star);
registerDataset(intentqa);
registerDataset(shapes);
registerDataset(jsonl);

export {
  type DatasetRecord,
  datasetNames,
  datasetOf,
  datasetRecords,
  NotWritable,
  type Row,
  registerDataset,
  type SampleWriter,
} from './dataset.js';
