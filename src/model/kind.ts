/** An architecture as the registry knows it, before a model is made; light to import. */
import type { CanonicalSource } from '../weights/canonical.js';
import type { SharedTable } from '../weights/ownTables.js';
import type { TensorSource } from '../weights/source.js';
import type { Precision } from './context.js';
import type { PretrainingSupport } from './pretraining.js';
import type { OpenReference } from './reference.js';
import type { Architecture, Student, StudentConfig } from './student.js';

export interface StudentKind extends Architecture {
  /** Whether a parsed config.json is this architecture's although its `model_type` is another; absent where none is. */
  alsoReads?(json: unknown): boolean;
  /**
   * Checks a parsed config.json and fills in defaults.
   *
   * @param origin the file, for messages. @throws DataError naming file, key and what was expected
   */
  parseConfig(json: unknown, origin: string): StudentConfig;
  /**
   * Adds what other files of a checkpoint say to its config.json's settings; absent where nothing does.
   *
   * @throws DataError as {@link parseConfig}
   */
  readMore?(config: StudentConfig, folder: string): Promise<StudentConfig>;
  /** Lays a model out; it has no memory until its parameters are given values. */
  create(config: StudentConfig, precision: Precision): Promise<Student>;
  /** A checkpoint under this architecture's canonical tensor names, whatever layout it was published in. */
  canonical(source: TensorSource): CanonicalSource;
  /** A table that checkpoints may hold more than once, whatever config.json says; absent where none is. */
  sharedTable?: SharedTable;
  /** Reads PyTorch's recorded truth for `weights check`; absent where there is none. */
  openReference?: OpenReference;
  /** For training a small one from nothing; absent where nobody does. */
  pretraining?(): Promise<PretrainingSupport>;
}
