/** The datasets: one file each in this folder, one line each here, in the order in which messages list them. */
import { activitynet } from './activitynet.js';
import { charades } from './charades.js';
import { registerDataset } from './dataset.js';
import { intentqa } from './intentqa.js';
import { jsonl } from './jsonl.js';
import { msrvttqa } from './msrvttqa.js';
import { msvdqa } from './msvdqa.js';
import { nextgqa } from './nextgqa.js';
import { nextoe } from './nextoe.js';
import { nextqa } from './nextqa.js';
import { qvhighlights } from './qvhighlights.js';
import { shapes } from './shapes.js';
import { star } from './star.js';

registerDataset(nextqa);
registerDataset(star);
registerDataset(intentqa);
registerDataset(shapes);
registerDataset(nextgqa);
registerDataset(nextoe);
registerDataset(charades);
registerDataset(activitynet);
registerDataset(qvhighlights);
registerDataset(msvdqa);
registerDataset(msrvttqa);
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
